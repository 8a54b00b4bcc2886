#include <cstdio>

#include <boost/program_options/value_semantic.hpp>

#include <fg/app/program.hpp>
#include <fg/base/units.hpp>
#include <fg/store/libraries.hpp>
#include <fg/text/libraries.hpp>

#include "convert.hpp"

namespace {

using namespace fg;
using app::given;
using app::text;

app::Program describe() {
  app::Program program;
  program.name = "fg-convert";
  program.summary =
      "converts a Hugging Face model folder into an fg model folder, or back.\nThe direction is "
      "found "
      "from SRC: an fg folder (its config.json has an `fg` object) becomes a Hugging Face\nfolder, "
      "any "
      "other becomes an fg folder. DST is made whole or not at all, SRC is never touched.";
  program.usage = {"SRC DST [options]"};
  program.examples = {
      "fg-convert ~/Llama-2-7b-hf ~/llama2 --add-tokens configs/add_tokens/chatml.yaml \\",
      "           -t configs/chat_templates/chatml.jinja",
      "fg-convert ~/llama2 ~/llama2-hf --dtype float16 --verify",
      "mpirun -np 4 fg-convert ~/Llama-2-7b-hf /shared/llama2"};
  auto add = program.own.add_options();
  const auto word = [] { return boost::program_options::value<std::string>(); };
  add("dtype", word(), "bfloat16, float16 or float32 (default: each tensor's own)");
  add("add-tokens", word(),
      "YAML file of tokens to add, for example configs/add_tokens/chatml.yaml");
  add("chat-template,t", word(), "Jinja file to install as the chat template");
  add("chat-template-path", word(), "the same");
  add("skip-default-tokens", "do not add [PAD] to a model that has no pad token");
  add("format", word(),
      "hdf5, bin or safetensors (default: hdf5 for an fg folder, safetensors for a Hugging Face "
      "one)");
  add("max-shard-size", word()->default_value("5GB"),
      "largest weight file, for example 500MB or 2GiB");
  add("pad-vocab-to", boost::program_options::value<std::int64_t>(),
      "round the embedding's rows up to a multiple of this, with rows of zeros");
  add("verify",
      "compare DST with SRC, tensor by tensor and the tokenizers, before it takes its name");
  add("overwrite", "replace DST if it exists");
  add("dry-run", "say what would be done, and stop");
  auto hide = program.hidden.add_options();
  hide("source", word(), "");
  hide("target", word(), "");
  program.positional.add("source", 1).add("target", 1);
  program.linked = {store::hdf5_library(), text::regex_library(), text::unicode_library()};
  return program;
}

/// Reads one option into `mistakes` or its place.
class OptionReader {
public:
  explicit OptionReader(const app::Arguments& arguments) : arguments_(arguments) {}

  convert::Options read() {
    convert::Options options;
    options.source = required("source", "SRC, the model folder to read");
    options.target = required("target", "DST, the folder to make");
    read_template(options);
    options.add_tokens = text(arguments_, "add-tokens");
    options.skip_default_tokens = given(arguments_, "skip-default-tokens");
    options.verify = given(arguments_, "verify");
    options.dry_run = given(arguments_, "dry-run");
    if (given(arguments_, "overwrite")) options.overwrite = store::Overwrite::yes;
    read_dtype(options);
    read_format(options);
    read_sizes(options);
    if (!mistakes_.empty()) fail(ExitCode::usage, mistakes_);
    return options;
  }

private:
  void mistake(const std::string& what) { mistakes_ += (mistakes_.empty() ? "" : "\n") + what; }

  std::string required(const std::string& name, const std::string& what) {
    if (text(arguments_, name).empty()) mistake("missing argument: " + what);
    return text(arguments_, name);
  }
  void read_template(convert::Options& options) {
    if (given(arguments_, "chat-template") && given(arguments_, "chat-template-path"))
      mistake("--chat-template and --chat-template-path are one option; give it once");
    options.chat_template = text(
        arguments_, given(arguments_, "chat-template") ? "chat-template" : "chat-template-path");
  }
  void read_dtype(convert::Options& options) {
    if (!given(arguments_, "dtype")) return;
    options.dtype = store::parse_dtype(text(arguments_, "dtype"));
    using store::Dtype;
    if (options.dtype != Dtype::bfloat16 && options.dtype != Dtype::float16 &&
        options.dtype != Dtype::float32)
      mistake("--dtype " + text(arguments_, "dtype") + ": expected bfloat16, float16 or float32");
  }
  void read_format(convert::Options& options) {
    if (!given(arguments_, "format")) return;
    const std::string word = text(arguments_, "format");
    for (const auto format : {store::WeightFormat::hdf5, store::WeightFormat::torch_bin,
                              store::WeightFormat::safetensors})
      if (word == store::name_of(format)) options.format = format;
    if (!options.format) mistake("--format " + word + ": expected hdf5, bin or safetensors");
  }
  void read_sizes(convert::Options& options) {
    const auto bytes = parse_bytes(text(arguments_, "max-shard-size"));
    if (bytes && *bytes > 0)
      options.max_shard_bytes = *bytes;
    else
      mistake("--max-shard-size " + text(arguments_, "max-shard-size") +
              ": expected a size such as 500MB or 2GiB");
    if (!given(arguments_, "pad-vocab-to")) return;
    options.pad_vocab_to = arguments_["pad-vocab-to"].as<std::int64_t>();
    if (options.pad_vocab_to < 1 || options.pad_vocab_to > 1'000'000)
      mistake("--pad-vocab-to " + std::to_string(options.pad_vocab_to) +
              ": expected a number from 1 to 1,000,000");
  }

  const app::Arguments& arguments_;
  std::string mistakes_;
};

}  // namespace

int main(int argc, char** argv) {
  return app::run(argc, argv, describe(),
                  [](session::Session& session, const app::Arguments& arguments) {
                    convert::Options options;
                    session.together([&] { options = OptionReader(arguments).read(); });
                    convert::convert(session, options);
                  });
}
