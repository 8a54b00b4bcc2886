#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <fg/session/session.hpp>
#include <fg/store/slices.hpp>

namespace fg::finalize {

/// A checkpoint, whole and verified: its folder in each RUN_DIR that has a piece, in their order.
struct Found {
  std::uint64_t step = 0;
  std::vector<store::SliceFolder> pieces;
  std::vector<std::string> notes;  // what was passed over and why
};

/// Collective. The checkpoint of `runs` with the highest step of which every piece is there and
/// sound, or the one that `wanted` names ("120", "checkpoint-120", or with one RUN_DIR a path).
/// Several RUN_DIRs are the pieces of one run, of any layout: a step counts where those that have a
/// piece of it hold all its files together. A RUN_DIR may be a checkpoint folder itself. The
/// ranks share the reading. Error(cannot_load) that names what is missing or damaged.
Found find_checkpoint(session::Session& session, const std::vector<std::filesystem::path>& runs,
                      const std::string& wanted);

}  // namespace fg::finalize
