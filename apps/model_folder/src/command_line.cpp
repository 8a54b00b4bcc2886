#include <boost/program_options/value_semantic.hpp>

#include <fg/base/error.hpp>
#include <fg/base/units.hpp>
#include <fg/model_folder/command_line.hpp>

namespace fg::model_folder {

using app::given;
using app::text;

void add_options(app::Program& program, const std::string& default_format) {
  auto add = program.own.add_options();
  const auto word = [] { return boost::program_options::value<std::string>(); };
  add("dtype", word(), "bfloat16, float16 or float32 (default: each tensor's own)");
  add("add-tokens", word(),
      "YAML file of tokens to add, for example configs/add_tokens/chatml.yaml");
  add("chat-template,t", word(), "Jinja file to install as the chat template");
  add("chat-template-path", word(), "the same");
  add("format", word(), ("hdf5, bin or safetensors (default: " + default_format + ")").c_str());
  add("max-shard-size", word()->default_value("5GB"),
      "largest weight file, for example 500MB or 2GiB");
  add("verify",
      "compare DST with the source, tensor by tensor and the tokenizers, before it takes its name");
  add("overwrite", "replace DST if it exists");
  add("dry-run", "say what would be done, and stop");
}

Options OptionReader::read() {
  Options options;
  options.add_tokens = text(arguments_, "add-tokens");
  options.verify = given(arguments_, "verify");
  options.dry_run = given(arguments_, "dry-run");
  if (given(arguments_, "overwrite")) options.overwrite = store::Overwrite::yes;
  read_template(options);
  read_dtype(options);
  read_format(options);
  read_shard_size(options);
  return options;
}

void OptionReader::require_none() const {
  if (!mistakes_.empty()) fail(ExitCode::usage, mistakes_);
}

void OptionReader::read_template(Options& options) {
  if (given(arguments_, "chat-template") && given(arguments_, "chat-template-path"))
    mistake("--chat-template and --chat-template-path are one option; give it once");
  options.chat_template =
      text(arguments_, given(arguments_, "chat-template") ? "chat-template" : "chat-template-path");
}

void OptionReader::read_dtype(Options& options) {
  if (!given(arguments_, "dtype")) return;
  options.dtype = store::parse_dtype(text(arguments_, "dtype"));
  using store::Dtype;
  if (options.dtype != Dtype::bfloat16 && options.dtype != Dtype::float16 &&
      options.dtype != Dtype::float32)
    mistake("--dtype " + text(arguments_, "dtype") + ": expected bfloat16, float16 or float32");
}

void OptionReader::read_format(Options& options) {
  if (!given(arguments_, "format")) return;
  const std::string word = text(arguments_, "format");
  for (const auto format : {store::WeightFormat::hdf5, store::WeightFormat::torch_bin,
                            store::WeightFormat::safetensors})
    if (word == store::name_of(format)) options.format = format;
  if (!options.format) mistake("--format " + word + ": expected hdf5, bin or safetensors");
}

void OptionReader::read_shard_size(Options& options) {
  const auto bytes = parse_bytes(text(arguments_, "max-shard-size"));
  if (bytes && *bytes > 0)
    options.max_shard_bytes = *bytes;
  else
    mistake("--max-shard-size " + text(arguments_, "max-shard-size") +
            ": expected a size such as 500MB or 2GiB");
}

}  // namespace fg::model_folder
