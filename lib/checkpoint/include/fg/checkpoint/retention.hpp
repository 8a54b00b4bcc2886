#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <fg/session/session.hpp>

namespace fg::checkpoint {

struct Retention {
  std::uint64_t keep = 2;  // the last so many by step; at least 2
  /// Beyond those, so many with the lowest SaveRequest::metric (of equals the older).
  std::uint64_t keep_best = 1;
};

struct RetentionResult {
  std::vector<std::uint64_t> deleted;
  /// What could not be read or deleted: sentences for a warning. Training goes on.
  std::vector<std::string> notes;
};

/// Deletes the checkpoints that the rules do not keep. Call it only after `save` of `saved_step`
/// returned, on the ranks for which `leads_folder` is true. That step is always kept. Higher ones,
/// which a run has that went on from an older checkpoint because they were damaged, neither count
/// nor go: the run writes over them when it gets there. A checkpoint without a sound manifest, or
/// with files of another size than it says, does not count among the last `keep` and is deleted
/// once it is older than all of these. A folder is renamed to `.trash-...` first and removed then:
/// a kill leaves nothing that looks like a checkpoint, and RunFolder clears up. What each
/// checkpoint's metric was stands in its own manifest, so there is no list that could be lost.
/// Error(usage) for `keep` < 2.
RetentionResult retain(const std::filesystem::path& checkpoints, std::uint64_t saved_step,
                       const Retention& rules);

/// Collective, on all ranks, after `save` with `each_node` returned: the same where every node has
/// a folder of its own. A step counts where the nodes' pieces are of one save and whole together;
/// what a kill between two nodes' commits left does not. All nodes delete the same steps.
/// Error(usage) for `keep` < 2.
RetentionResult retain_on_each_node(session::Session& session,
                                    const std::filesystem::path& checkpoints,
                                    std::uint64_t saved_step, const Retention& rules,
                                    const std::string& node = {});

/// The checkpoint of the lowest metric, as `retain` sees it; nothing where none has one.
struct Best {
  std::uint64_t step;
  double metric;
  std::filesystem::path folder;
};
std::optional<Best> best_checkpoint(const std::filesystem::path& checkpoints);

}  // namespace fg::checkpoint
