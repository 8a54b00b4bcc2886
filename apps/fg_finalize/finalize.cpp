#include "finalize.hpp"

#include <optional>

#include <fg/base/error.hpp>
#include <fg/model_folder/plan.hpp>
#include <fg/model_folder/source.hpp>
#include <fg/model_folder/write.hpp>
#include <fg/store/staged_folder.hpp>

#include "run.hpp"

namespace fg::finalize {
namespace {

namespace fs = std::filesystem;

/// Where config.json and the tokenizer lie: in the checkpoint, which has copies, else in the run.
fs::path folder_of_files(const Found& found, const std::vector<fs::path>& runs) {
  for (const auto& piece : found.pieces)
    if (fs::exists(piece.path / "config.json")) return piece.path;
  for (const fs::path& run : runs)
    if (fs::exists(run / "config.json")) return run;
  fail(ExitCode::cannot_load, found.pieces.front().path.string() +
                                  ": neither the checkpoint nor its run holds a config.json");
}

}  // namespace

void finalize(session::Session& session, Options options) {
  session.together([&] {
    for (const fs::path& run : options.runs) store::refuse_same_folder(run, options.folder.target);
  });
  const Found found = find_checkpoint(session, options.runs, options.checkpoint);
  std::optional<model_folder::CheckpointSource> source;
  model_folder::Plan plan;
  session.together([&] {
    for (const auto& piece : found.pieces)
      store::refuse_same_folder(piece.path, options.folder.target);
    options.folder.source = folder_of_files(found, options.runs);
    options.folder.more_sources = options.runs;
    std::vector<std::string> notes = found.notes;
    notes.insert(notes.begin(), "the weights of step " + std::to_string(found.step));
    source.emplace(found.pieces, std::move(notes));
    plan = model_folder::make_plan(model_folder::Job::finalize, options.folder, *source);
  });
  model_folder::write_folder(session, plan, options.folder, *source);
}

}  // namespace fg::finalize
