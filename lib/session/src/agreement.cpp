#include "fg/session/agreement.hpp"

#include <algorithm>
#include <optional>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/session/placement.hpp>

#include "packed_texts.hpp"

namespace fg::session {
namespace {

constexpr std::size_t shown_whole = 24;
constexpr std::size_t shown_of_longer = 16;

std::string shortened(const std::string& value) {
  if (value.size() <= shown_whole || value.find(' ') != std::string::npos) return value;
  return value.substr(0, shown_of_longer) + "…";
}

/// The value of each rank; nothing where it has no such fact.
using Values = std::vector<std::optional<std::string>>;

Values values_of(const std::string& name, const std::vector<std::vector<Fact>>& facts_of_rank) {
  Values values;
  for (const std::vector<Fact>& facts : facts_of_rank) {
    const auto found = std::find_if(facts.begin(), facts.end(),
                                    [&](const Fact& fact) { return fact.name == name; });
    values.push_back(found == facts.end() ? std::nullopt : std::optional(found->value));
  }
  return values;
}

/// Every name that any rank has, in the order in which they come.
std::vector<std::string> names_of(const std::vector<std::vector<Fact>>& facts_of_rank) {
  std::vector<std::string> names;
  for (const std::vector<Fact>& facts : facts_of_rank)
    for (const Fact& fact : facts)
      if (std::find(names.begin(), names.end(), fact.name) == names.end())
        names.push_back(fact.name);
  if (fault_planted("session.fact_left_out") && !names.empty()) names.pop_back();
  return names;
}

struct Group {
  std::optional<std::string> value;
  std::vector<int> ranks;
};

/// Ranks of one value together, rank 0's first.
std::vector<Group> groups_of(const Values& values) {
  std::vector<Group> groups;
  for (std::size_t rank = 0; rank < values.size(); ++rank) {
    const auto same = std::find_if(groups.begin(), groups.end(),
                                   [&](const Group& group) { return group.value == values[rank]; });
    Group& group = same == groups.end() ? groups.emplace_back(Group{values[rank], {}}) : *same;
    group.ranks.push_back(static_cast<int>(rank));
  }
  return groups;
}

std::string difference(const std::string& name, std::vector<Group> groups,
                       const std::vector<std::string>& host_of_rank) {
  groups.front().ranks = {0};  // the others that have its value are not of interest
  const auto shown_alike = [&](const Group& one) {
    return std::count_if(groups.begin(), groups.end(), [&](const Group& other) {
             return one.value && other.value && shortened(*one.value) == shortened(*other.value);
           }) > 1;
  };
  std::string line = "  " + name + ": ";
  for (const Group& group : groups) {
    const bool is_whole = shown_alike(group);
    line += (&group == &groups.front() ? "" : "; ") + describe_ranks(group.ranks, host_of_rank);
    line += group.ranks.size() == 1 ? " has " : " have ";
    line += !group.value ? "none" : is_whole ? *group.value : shortened(*group.value);
  }
  return line;
}

/// "0, 2-5".
std::string ranges(const std::vector<int>& ranks) {
  std::string text;
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t end = i + 1;
    while (end < ranks.size() && ranks[end] == ranks[end - 1] + 1) ++end;
    const bool is_pair = end == i + 2;
    text += (text.empty() ? "" : ", ") + std::to_string(ranks[i]);
    if (end > i + 1) text += (is_pair ? ", " : "-") + std::to_string(ranks[end - 1]);
    i = end;
  }
  return text;
}

}  // namespace

std::string describe_ranks(const std::vector<int>& ranks) {
  return (ranks.size() == 1 ? "rank " : "ranks ") + ranges(ranks);
}

std::string describe_ranks(const std::vector<int>& ranks,
                           const std::vector<std::string>& host_of_rank) {
  std::vector<std::pair<std::string, std::vector<int>>> hosts;
  for (const int rank : ranks) {
    const std::string& host = host_of_rank.at(static_cast<std::size_t>(rank));
    const auto same = std::find_if(hosts.begin(), hosts.end(),
                                   [&](const auto& each) { return each.first == host; });
    (same == hosts.end() ? hosts.emplace_back(host, std::vector<int>()) : *same)
        .second.push_back(rank);
  }
  std::string text;
  for (const auto& [host, own] : hosts)
    text += (text.empty() ? "" : ", ") + describe_ranks(own) + " (" + host + ")";
  return text;
}

std::string describe_differences(const std::vector<std::vector<Fact>>& facts_of_rank,
                                 const std::vector<std::string>& host_of_rank) {
  FG_CHECK(facts_of_rank.size() == host_of_rank.size());
  std::string text;
  for (const std::string& name : names_of(facts_of_rank)) {
    const std::vector<Group> groups = groups_of(values_of(name, facts_of_rank));
    if (groups.size() > 1)
      text += (text.empty() ? "" : "\n") + difference(name, groups, host_of_rank);
  }
  return text;
}

void require_same(Session& session, const std::vector<Fact>& facts) {
  std::vector<std::string> mine = {host_name()};
  for (const Fact& fact : facts) {
    mine.push_back(fact.name);
    mine.push_back(fact.value);
  }
  const auto told = session.gather(pack(mine));
  session.together([&] {
    if (!session.is_first()) return;
    std::vector<std::vector<Fact>> facts_of_rank;
    std::vector<std::string> host_of_rank;
    for (const std::string& each : told) {
      const auto texts = unpack(each);
      FG_CHECK(texts.size() % 2 == 1);
      host_of_rank.push_back(texts[0]);
      std::vector<Fact>& own = facts_of_rank.emplace_back();
      for (std::size_t i = 1; i < texts.size(); i += 2) own.push_back({texts[i], texts[i + 1]});
    }
    const std::string differences = describe_differences(facts_of_rank, host_of_rank);
    if (!differences.empty())
      fail(ExitCode::ranks_disagree,
           "the ranks do not agree on what must be the same:\n" + differences);
  });
}

}  // namespace fg::session
