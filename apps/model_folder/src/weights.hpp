#pragma once

#include <filesystem>
#include <vector>

#include <fg/model_folder/plan.hpp>

namespace fg::model_folder {

/// Which rank writes which shard: the largest first, each to the rank with the least so far. The
/// result has one list of indices into Plan::shards a rank, the same on every rank.
std::vector<std::vector<std::size_t>> divide_shards(const Plan& plan, int ranks);

/// Streams these shards into new files in `folder`, with progress. Stops at a signal.
/// Error(cannot_load or cannot_save). Not collective.
void write_shards(const Plan& plan, const std::vector<std::size_t>& shards, Source& source,
                  const std::filesystem::path& folder);

}  // namespace fg::model_folder
