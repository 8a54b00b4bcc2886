#include "fg/session/placement.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <map>
#include <utility>

#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

#include "packed_texts.hpp"

namespace fg::session {
namespace {

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;  // "" where there is none: then names alone tell machines apart
}

const char* given_node() {
  const char* node = std::getenv("FG_NODE");
  return node != nullptr && *node != '\0' ? node : nullptr;
}

}  // namespace

std::string host_name() {
  if (const char* node = given_node()) return node;
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') return "localhost";
  return host.data();
}

std::string node_id() {
  if (const char* node = given_node()) return node;
  return host_name() + "/" + boot_id();
}

Placement place_ranks(const std::vector<std::string>& names, const std::vector<std::string>& ids,
                      int rank) {
  FG_CHECK(names.size() == ids.size());
  FG_CHECK(rank >= 0 && static_cast<std::size_t>(rank) < ids.size());
  const auto own = static_cast<std::size_t>(rank);
  Placement placement;
  std::map<std::string, int> node_of_id;
  std::map<std::string, int> machines_of_name;
  std::vector<std::string> host_of_node;
  for (std::size_t r = 0; r < ids.size(); ++r) {
    const auto [place, is_new] = node_of_id.emplace(ids[r], static_cast<int>(node_of_id.size()));
    if (is_new) {
      const int same = ++machines_of_name[names[r]];
      host_of_node.push_back(same == 1 ? names[r] : names[r] + " (" + std::to_string(same) + ")");
    }
    placement.node_of_rank.push_back(place->second);
    placement.host_of_rank.push_back(host_of_node[static_cast<std::size_t>(place->second)]);
  }
  static const bool counts_all = fault_planted("session.local_rank_of_all");
  const auto begin = placement.node_of_rank.begin();
  placement.node = placement.node_of_rank[own];
  placement.nodes = static_cast<int>(node_of_id.size());
  placement.local_rank =
      counts_all ? rank : static_cast<int>(std::count(begin, begin + rank, placement.node));
  placement.local_ranks =
      static_cast<int>(std::count(begin, placement.node_of_rank.end(), placement.node));
  return placement;
}

Placement find_placement(Session& session) {
  std::vector<std::string> names, ids;
  for (const std::string& each : session.gather_to_all(pack({host_name(), node_id()}))) {
    const auto both = unpack(each);
    FG_CHECK(both.size() == 2);
    names.push_back(both[0]);
    ids.push_back(both[1]);
  }
  return place_ranks(names, ids, session.rank());
}

int device_turn(const std::vector<std::string>& seen, const Placement& placement, int rank) {
  const auto own = static_cast<std::size_t>(rank);
  FG_CHECK(seen.size() == placement.node_of_rank.size() && own < seen.size());
  static const bool counts_all = fault_planted("session.device_turn_of_all");
  int turn = 0;
  for (std::size_t other = 0; other < own; ++other)
    turn += placement.node_of_rank[other] == placement.node_of_rank[own] &&
            (counts_all || seen[other] == seen[own]);
  return turn;
}

int find_device_turn(Session& session, const Placement& placement, std::string (*seen)()) {
  const std::string own = placement.local_ranks > 1 ? seen() : std::string();
  return device_turn(session.gather_to_all(own), placement, session.rank());
}

std::optional<std::string> shared_device(const std::vector<std::string>& own,
                                         const Placement& placement) {
  FG_CHECK(own.size() == placement.host_of_rank.size());
  std::map<std::pair<int, std::string>, std::size_t> rank_of;
  for (std::size_t rank = 0; rank < own.size(); ++rank) {
    if (own[rank].empty()) continue;
    const auto [first, is_new] =
        rank_of.emplace(std::pair(placement.node_of_rank[rank], own[rank]), rank);
    if (!is_new)
      return "ranks " + std::to_string(first->second) + " and " + std::to_string(rank) + " (" +
             placement.host_of_rank[rank] + ") have the same device, " + own[rank] +
             "; each needs its own";
  }
  return std::nullopt;
}

}  // namespace fg::session
