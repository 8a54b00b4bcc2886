#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fg/session/session.hpp>
#include <fg/store/manifest.hpp>

namespace fg::checkpoint {

/// `--resume-from-checkpoint latest|none|PATH`.
struct ResumeRequest {
  enum class From : std::uint8_t { latest, none, path };

  From from = From::latest;
  std::filesystem::path path;  // of a checkpoint folder

  /// An empty word means latest.
  static ResumeRequest parse(std::string_view word);
};

/// A checkpoint to go on from: every file was compared with the manifest, by one rank or another.
struct Choice {
  std::filesystem::path folder;  // on this rank's node; need not be there if `lender` is set
  std::uint64_t step = 0;
  /// Only of checkpoints that were saved on each node: false where this rank's node has no sound
  /// piece of it, and then the first rank that has one. `open` (reader.hpp) wants them.
  bool is_here = true;
  std::optional<int> lender = {};  // the same on every rank; nothing where all have a piece
};

/// Collective. What the run in `run` (which holds `checkpoints/`) goes on from; nothing for a fresh
/// start. The same answer on every rank.
///
/// latest: of the folders `checkpoint-N` the highest N that verifies. Time stamps play no part.
///   Each one passed over is a warning with its reason. If there are some and none verifies:
///   Error(cannot_load), never a fresh start.
/// none: a fresh start. Error(usage) if the run has any checkpoint, whole or not.
/// path: only while the run has no checkpoint of its own, so that a job which is queued again goes
///   on from its own work (then as latest, and a line says so). Error(cannot_load) where it does
///   not exist or does not verify.
///
/// Rank 0 lists and decides; the ranks share the reading.
///
/// With `each_node` every node looks into its own folder (`node` as in SaveRequest), and a step
/// counts where the pieces that the nodes have are of one save and hold all its files together. So
/// a new node with an empty folder may join, and a node may hold more than its part; what a kill
/// between two nodes' commits left does not count, nor do pieces of two saves under one step: both
/// are named. A piece with a damaged file counts as none. Who lacks a piece or parts of it gets
/// them from the others: `open` and `read_all` (reader.hpp, read_all.hpp).
std::optional<Choice> choose(session::Session& session, const std::filesystem::path& run,
                             const ResumeRequest& request, bool each_node = false,
                             const std::string& node = {});

/// The step in "checkpoint-120", or nothing for any other name.
std::optional<std::uint64_t> step_of_name(std::string_view name);
std::string name_of_step(std::uint64_t step);

/// A checkpoint in a folder by its name alone, whole or not.
struct Listed {
  std::uint64_t step;
  std::filesystem::path folder;
};
/// Highest step first. Nothing where `checkpoints` does not exist. Error(cannot_load).
std::vector<Listed> list_checkpoints(const std::filesystem::path& checkpoints);

/// On one rank: the highest step under RUN/checkpoints that verifies, for programs that read a run
/// (`fg-finalize`). `notes` gets a sentence for each that was passed over. Error(cannot_load) where
/// there is none.
Choice latest_of_run(const std::filesystem::path& run, std::vector<std::string>& notes);

/// On one rank: reads every file of a checkpoint and compares it with the manifest; the slice table
/// and trainer.json are checked too, and that the name of a folder `checkpoint-N` tells its step.
/// Error(cannot_load) naming the file and what is wrong.
void verify(const std::filesystem::path& checkpoint);

}  // namespace fg::checkpoint
