#pragma once

#include <optional>
#include <string>
#include <vector>

#include <fg/session/session.hpp>

namespace fg::session {

/// This machine's name in messages: $FG_NODE where set (so that tests have two nodes on one
/// machine), else the host's. Not collective.
std::string host_name();

/// Tells this machine from every other, also from one that has the same name: $FG_NODE where set,
/// else the host's name and the kernel's boot id. Not collective.
std::string node_id();

/// Which ranks share a machine. Nodes are counted in the order of their first rank, local ranks in
/// rank order, both from 0.
struct Placement {
  std::vector<std::string> host_of_rank;  // a second machine of a name: "name (2)"
  std::vector<int> node_of_rank;
  int node = 0;         // this rank's
  int nodes = 1;        // of the job
  int local_rank = 0;   // this rank's place on its node
  int local_ranks = 1;  // on this rank's node
};

/// What rank `rank` finds where the ranks told these names and ids. Error(bug) if it is not among
/// them or the two lists differ in length.
Placement place_ranks(const std::vector<std::string>& names, const std::vector<std::string>& ids,
                      int rank);

/// Collective. All ranks get the same lists.
Placement find_placement(Session& session);

/// Which of the devices that rank `rank` sees is its own: its place among the ranks of its node
/// that see the same, in rank order. `seen` has every rank's. So ranks that a launcher shows one
/// device each all take their first.
int device_turn(const std::vector<std::string>& seen, const Placement& placement, int rank);

/// Collective. The same, where this rank sees what `seen` says; a rank alone on its node does not
/// ask.
int find_device_turn(Session& session, const Placement& placement, std::string (*seen)());

/// What is wrong where two ranks of a node have one device; nothing where each has its own. `own`
/// has every rank's, empty for one that many may share.
std::optional<std::string> shared_device(const std::vector<std::string>& own,
                                         const Placement& placement);

}  // namespace fg::session
