#include <boost/program_options/value_semantic.hpp>

#include <fg/app/program.hpp>
#include <fg/model_folder/command_line.hpp>
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
  model_folder::add_options(program, "hdf5 for an fg folder, safetensors for a Hugging Face one");
  auto add = program.own.add_options();
  const auto word = [] { return boost::program_options::value<std::string>(); };
  add("skip-default-tokens", "do not add [PAD] to a model that has no pad token");
  add("pad-vocab-to", boost::program_options::value<std::int64_t>(),
      "round the embedding's rows up to a multiple of this, with rows of zeros");
  auto hide = program.hidden.add_options();
  hide("source", word(), "");
  hide("target", word(), "");
  program.positional.add("source", 1).add("target", 1);
  program.linked = {store::hdf5_library(), text::regex_library(), text::unicode_library()};
  return program;
}

model_folder::Options read(const app::Arguments& arguments) {
  model_folder::OptionReader reader(arguments);
  model_folder::Options options = reader.read();
  options.source = text(arguments, "source");
  options.target = text(arguments, "target");
  if (options.source.empty()) reader.mistake("missing argument: SRC, the model folder to read");
  if (options.target.empty()) reader.mistake("missing argument: DST, the folder to make");
  options.skip_default_tokens = given(arguments, "skip-default-tokens");
  if (given(arguments, "pad-vocab-to")) {
    options.pad_vocab_to = arguments["pad-vocab-to"].as<std::int64_t>();
    if (options.pad_vocab_to < 1 || options.pad_vocab_to > 1'000'000)
      reader.mistake("--pad-vocab-to " + std::to_string(options.pad_vocab_to) +
                     ": expected a number from 1 to 1,000,000");
  }
  reader.require_none();
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  return app::run(argc, argv, describe(),
                  [](session::Session& session, const app::Arguments& arguments) {
                    model_folder::Options options;
                    session.together([&] { options = read(arguments); });
                    convert::convert(session, options);
                  });
}
