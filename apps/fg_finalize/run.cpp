#include "run.hpp"

#include <functional>
#include <map>
#include <optional>
#include <span>

#include <fg/base/error.hpp>
#include <fg/checkpoint/choose.hpp>
#include <fg/checkpoint/reader.hpp>
#include <fg/checkpoint/run_folder.hpp>
#include <fg/session/signals.hpp>
#include <fg/store/manifest.hpp>

namespace fg::finalize {
namespace {

namespace fs = std::filesystem;
using Folders = std::vector<fs::path>;  // of one checkpoint, a folder for each RUN_DIR
using ByStep = std::map<std::uint64_t, Folders, std::greater<>>;

std::string text_of(const Folders& folders) {
  std::string text;
  for (const fs::path& folder : folders) text += (text.empty() ? "" : ", ") + folder.string();
  return text;
}

bool is_run(const fs::path& folder) {
  return fs::is_directory(checkpoint::checkpoints_in(folder));
}

void require_folder(const fs::path& run) {
  if (!fs::is_directory(run)) fail(ExitCode::cannot_load, run.string() + ": no such folder");
  if (is_run(run)) return;
  if (!fs::exists(run / store::manifest_name) || !store::has_slices(store::read_manifest(run)))
    fail(ExitCode::cannot_load,
         run.string() +
             ": holds no checkpoints; a run directory of fg-train is wanted (fg-convert "
             "reads model folders)");
}

/// The steps that any RUN_DIR has, by name alone. Which pieces are needed the slice table tells.
ByStep steps_of(const Folders& runs) {
  ByStep folders;
  for (const fs::path& run : runs)
    for (const auto& listed : checkpoint::list_checkpoints(checkpoint::checkpoints_in(run)))
      folders[listed.step].push_back(listed.folder);
  if (folders.empty()) fail(ExitCode::cannot_load, text_of(runs) + ": no checkpoint");
  return folders;
}

/// Error(cannot_load) naming a file of the checkpoint that is in none of the folders.
void require_all_files(const store::SliceReader& reader, const Folders& folders) {
  for (const store::TensorUse use : {store::TensorUse::weights, store::TensorUse::optimizer})
    for (const store::SlicedTensor& tensor : reader.table().of(use))
      for (const store::Slice& slice : tensor.slices)
        if (!reader.has_file(slice.file))
          fail(ExitCode::cannot_load,
               text_of(folders) + ": " + slice.file +
                   ", which the slice table names, is missing: the checkpoint was saved on each "
                   "node, and the pieces of the other nodes are needed too");
}

fs::path path_of(const std::string& wanted, const Folders& runs) {
  if (runs.size() > 1)
    fail(ExitCode::usage, "-c " + wanted + ": a path names one folder, but there are " +
                              std::to_string(runs.size()) + " RUN_DIRs; give the step instead");
  if (!fs::is_directory(wanted)) fail(ExitCode::cannot_load, "-c " + wanted + ": no such folder");
  return wanted;
}

/// Candidates, the best first.
std::vector<Folders> candidates(const Folders& runs, const std::string& wanted) {
  for (const fs::path& run : runs) require_folder(run);
  const bool are_runs = is_run(runs.front());
  for (const fs::path& run : runs)
    if (is_run(run) != are_runs)
      fail(ExitCode::usage, run.string() + " and " + runs.front().string() +
                                ": one is a run directory, the other a checkpoint folder; give "
                                "several of one kind");
  if (!are_runs && !wanted.empty())
    fail(ExitCode::usage,
         runs.front().string() + " is a checkpoint folder itself; leave out -c " + wanted);
  if (!are_runs) return {runs};
  if (wanted.find('/') != std::string::npos) return {{path_of(wanted, runs)}};
  const ByStep steps = steps_of(runs);
  std::vector<Folders> all;
  std::string known;
  for (const auto& [step, folders] : steps) {
    const std::string name = checkpoint::name_of_step(step);
    if (wanted == name || wanted == std::to_string(step)) return {folders};
    known += (known.empty() ? "" : ", ") + name;
    all.push_back(folders);
  }
  if (!wanted.empty())
    fail(ExitCode::cannot_load,
         "-c " + wanted + ": no such checkpoint in " + text_of(runs) + "; there are " + known);
  return all;
}

/// What is wrong with a checkpoint, or nothing. Collective: the ranks share the reading.
std::optional<std::string> fault_of(session::Session& session, const Folders& folders,
                                    Found& found) {
  std::string fault;
  bool stopped = false;
  try {
    const checkpoint::Reader reader{
        std::span<const fs::path>(folders)};  // manifests, slice tables and trainer.json agree
    found.step = reader.step();
    found.pieces.clear();
    for (const fs::path& folder : folders)
      found.pieces.push_back({folder, store::read_manifest(folder), true});
    store::SliceReader slices(found.pieces);
    require_all_files(slices, folders);
    for (const store::SliceFolder& piece : found.pieces) {
      session::check_for_stop();
      store::verify_files(piece.manifest, piece.path, static_cast<std::size_t>(session.rank()),
                          static_cast<std::size_t>(session.size()));
    }
    slices.open_all(store::TensorUse::weights);
  } catch (const Error& error) {
    stopped = error.code() != ExitCode::cannot_load;
    fault = error.what();
    if (stopped) session.together([&] { throw; });
  }
  if (!stopped) session.together([] {});
  for (const std::string& each : session.gather(fault))
    if (fault.empty()) fault = each;
  fault = session.broadcast(fault);
  return fault.empty() ? std::nullopt : std::optional(fault);
}

}  // namespace

Found find_checkpoint(session::Session& session, const Folders& runs, const std::string& wanted) {
  Found found;
  std::vector<Folders> all;
  session.together([&] { all = candidates(runs, wanted); });
  std::string faults;
  for (const Folders& folders : all) {
    const auto fault = fault_of(session, folders, found);
    if (!fault) return found;
    const std::string some =
        folders.size() < runs.size() ? " (this step is not in every RUN_DIR)" : "";
    found.notes.push_back("passed over " + text_of(folders) + ": " + *fault + some);
    faults += (faults.empty() ? "" : "\n") + *fault + some;
  }
  session.together([&] { fail(ExitCode::cannot_load, faults); });
  return found;
}

}  // namespace fg::finalize
