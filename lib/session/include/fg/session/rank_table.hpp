#pragma once

#include <string>
#include <utility>
#include <vector>

#include <fg/session/placement.hpp>
#include <fg/session/session.hpp>

namespace fg::session {

/// A row a rank: its number, its host, and its texts. With more than 16 ranks, neighbours of one
/// host with the same texts are one row ("0-7"). The first line is the head. Columns are aligned.
std::vector<std::string> format_rank_table(const std::vector<std::string>& host_of_rank,
                                           const std::vector<std::string>& columns,
                                           const std::vector<std::vector<std::string>>& rows);

/// Collective. That table on rank 0, nothing elsewhere. `columns`: {"device", "cuda:0"},
/// {"interface", "eth0"}, {"threads", "8"}; the names are rank 0's, and all ranks must have as
/// many, else Error(bug) on rank 0.
std::vector<std::string> rank_table(
    Session& session, const Placement& placement,
    const std::vector<std::pair<std::string, std::string>>& columns);

}  // namespace fg::session
