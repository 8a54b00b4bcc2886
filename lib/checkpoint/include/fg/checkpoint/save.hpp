#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fg/base/json.hpp>
#include <fg/checkpoint/slice.hpp>
#include <fg/session/session.hpp>

namespace fg::checkpoint {

inline constexpr std::string_view trainer_name = "trainer.json";

/// How weights are written; optimizer state is HDF5 always.
enum class Format : std::uint8_t { hdf5, bin };

/// What one rank brings to a save. What is said to be rank 0's may be left empty elsewhere; all
/// else is the same on every rank but the slices.
struct SaveRequest {
  std::filesystem::path folder;  // RUN/checkpoints; exists
  std::uint64_t step = 0;
  std::string run;             // names the staged folder: RunFolder::run_name, letters and digits
  std::vector<Slice> weights;  // together the ranks' slices cover each tensor exactly once
  std::vector<Slice> optimizer;
  Json trainer = Json::object();  // rank 0's; "format" and "step" are put before its own keys
  /// Small files that make the folder a model directory (RunFolder::model_files); rank 0's, or each
  /// node's first.
  std::vector<std::filesystem::path> copies;
  Format format = Format::hdf5;
  /// Evaluation loss at this step, for `retain`. Rank 0's.
  std::optional<double> metric;
  /// Nodes have a folder each, which holds the files of their own ranks; `node` tells them apart
  /// (empty: session::node_id).
  bool each_node = false;
  std::string node;
};

/// Collective. Writes `folder`/checkpoint-STEP: `model-rRRRRR.h5` and `optim-rRRRRR.h5` of each
/// rank that has slices (with Format::bin `pytorch_model-N-of-M.bin` and their index),
/// trainer.json, the copies, and last manifest.json with the slice table. Returns its path.
///
/// All of it is written to `folder`/.tmp-RUN-SAVE, synced, and renamed after every rank is done;
/// then `folder` is synced. A folder of that step which exists is replaced in one step.
///
/// If any rank fails, all leave with an error (Session::together), nothing of this step is left and
/// nothing else was touched. Error(cannot_save): no room (asked first: 1.1 times the known size),
/// or any failed call, with path and reason. If only the last sync of `folder` fails, the
/// checkpoint stands. Error(bug) where slices leave, repeat or miss rows; Error(usage) where
/// Format::bin meets a tensor in several slices.
std::filesystem::path save(session::Session& session, const SaveRequest& request);

/// Collective. True on the one rank a folder that makes and clears it: rank 0, or with `each_node`
/// the first rank of every node.
bool leads_folder(session::Session& session, bool each_node, const std::string& node = {});

}  // namespace fg::checkpoint
