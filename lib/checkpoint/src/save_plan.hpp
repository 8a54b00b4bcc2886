#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fg/checkpoint/save.hpp>
#include <fg/session/session.hpp>
#include <fg/store/slices.hpp>

namespace fg::checkpoint {

/// Collective. An array of what each rank brings, on every rank.
Json tell_all(session::Session& session, const Json& own);

/// For messages: `given`, or where it is empty session::host_name.
std::string node_name(const std::string& given);

/// Which ranks share a folder: those of one node, or all.
struct FolderGroup {
  int leader = 0;         // the first of them
  std::size_t index = 0;  // this rank's place among them
  std::size_t size = 1;
};
/// Collective with `each_node`. `node` as in SaveRequest.
FolderGroup folder_group(session::Session& session, bool each_node, const std::string& node);

/// Error(bug) unless each slice's rows lie in its tensor and its bytes are theirs.
void check_own_slices(const SaveRequest& request);

/// What all ranks know of a save before anything is written.
struct SavePlan {
  FolderGroup group;
  bool leads = true;
  std::uint64_t bytes = 0;  // that the ranks of this folder will write
  std::string model_file;   // this rank's; "" where it has no weights
  std::string optimizer_file;
  store::SliceTable table;  // of all ranks
};

/// Collective. Error(bug) or Error(usage) on all ranks, as `save` says.
SavePlan make_plan(session::Session& session, const SaveRequest& request);

}  // namespace fg::checkpoint
