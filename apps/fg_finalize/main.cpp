#include <fg/app/program.hpp>
#include <fg/log/log.hpp>
#include <fg/model_folder/command_line.hpp>
#include <fg/store/libraries.hpp>
#include <fg/text/libraries.hpp>

#include "finalize.hpp"

namespace {

using namespace fg;
using app::given;
using app::text;

app::Program describe() {
  app::Program program;
  program.name = "fg-finalize";
  program.summary =
      "makes a model folder of a run's checkpoint.\nDST loads in transformers and in fg alike; "
      "fg-convert DST makes a plain Hugging Face folder of it.\nSeveral RUN_DIRs are the pieces of "
      "one run, collected from node-local disks. They are never touched.";
  program.usage = {"RUN_DIR... DST [options]"};
  program.examples = {"fg-finalize runs/samantha samantha-7b",
                      "fg-finalize runs/samantha samantha-7b -c checkpoint-120 --keep-optimizer",
                      "fg-finalize node0/run node1/run samantha-7b"};
  auto add = program.own.add_options();
  add("checkpoint,c", app::word(),
      "the checkpoint to take: 120, checkpoint-120 or a path (default: the latest that is whole)");
  add("keep-optimizer",
      "take the optimizer's state along (optim.h5), for a run that tunes DST further");
  add("root-copy", "weights at the root of DST, where they lie anyway (accepted for old scripts)");
  model_folder::add_options(program, "safetensors");
  program.take_arguments("folders");
  program.linked = {store::hdf5_library(), text::regex_library(), text::unicode_library()};
  program.patience_s = app::without_end;
  return program;
}

finalize::Options read(const app::Arguments& arguments) {
  app::Mistakes mistakes;
  finalize::Options options;
  options.folder = model_folder::read_options(arguments, mistakes);
  options.folder.keep_optimizer = given(arguments, "keep-optimizer");
  options.checkpoint = text(arguments, "checkpoint");
  if (given(arguments, "checkpoint") && options.checkpoint.empty())
    mistakes.add("-c: expected a step, a checkpoint's name or its path");
  for (const std::string& folder : app::texts(arguments, "folders"))
    options.runs.emplace_back(folder);
  if (options.runs.empty()) mistakes.add("missing argument: RUN_DIR, the run directory to read");
  if (options.runs.size() < 2) mistakes.add("missing argument: DST, the folder to make");
  mistakes.throw_if_any();
  options.folder.target = options.runs.back();
  options.runs.pop_back();
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  return app::run(argc, argv, describe(),
                  [](session::Session& session, const app::Arguments& arguments) {
                    finalize::Options options;
                    session.together([&] { options = read(arguments); });
                    if (given(arguments, "root-copy") && session.is_first())
                      log::info("--root-copy: weights lie at the root of DST always");
                    finalize::finalize(session, std::move(options));
                  });
}
