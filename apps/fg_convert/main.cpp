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
  add("skip-default-tokens", "do not add [PAD] to a model that has no pad token");
  add("pad-vocab-to", app::word(),
      "round the embedding's rows up to a multiple of this, with rows of zeros");
  program.take_argument("source");
  program.take_argument("target");
  program.linked = {store::hdf5_library(), text::regex_library(), text::unicode_library()};
  program.patience_s = app::without_end;
  return program;
}

model_folder::Options read(const app::Arguments& arguments) {
  app::Mistakes mistakes;
  model_folder::Options options = model_folder::read_options(arguments, mistakes);
  options.source = text(arguments, "source");
  options.target = text(arguments, "target");
  if (options.source.empty()) mistakes.add("missing argument: SRC, the model folder to read");
  if (options.target.empty()) mistakes.add("missing argument: DST, the folder to make");
  options.skip_default_tokens = given(arguments, "skip-default-tokens");
  if (const auto rows = app::whole_number(arguments, "pad-vocab-to", mistakes, 1, 1'000'000))
    options.pad_vocab_to = static_cast<std::int64_t>(*rows);
  mistakes.throw_if_any();
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
