#pragma once

#include <string>
#include <vector>

#include <fg/session/session.hpp>

namespace fg::session {

/// Something that must be the same on every rank: {"torch", "2.11.0"}.
struct Fact {
  std::string name;
  std::string value;
};

/// "" where all ranks agree, else a line a fact that differs: its value on rank 0 and, with their
/// ranks and hosts, each other value. A fact that a rank does not have differs too. Values of more
/// than 24 characters without a space (hashes) are shown by their first 16, unless that would show
/// two values as one. One entry a rank in both lists.
std::string describe_differences(const std::vector<std::vector<Fact>>& facts_of_rank,
                                 const std::vector<std::string>& host_of_rank);

/// Collective. To be called before anything that goes wrong if ranks differ. All differences at
/// once, as Error(ranks_disagree) on rank 0 and PeerFailed on the others.
void require_same(Session& session, const std::vector<Fact>& facts);

/// "rank 3", "ranks 0, 2-5".
std::string describe_ranks(const std::vector<int>& ranks);

/// The same with the names of the machines: "ranks 1, 3 (h2), rank 4 (h3)".
std::string describe_ranks(const std::vector<int>& ranks,
                           const std::vector<std::string>& host_of_rank);

}  // namespace fg::session
