#include <algorithm>
#include <cstdio>
#include <set>

#include <fg/base/failpoint.hpp>
#include <fg/session/agreement.hpp>

#include "beat.hpp"

namespace fg::session {
namespace {

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f s", seconds);
  return text;
}

std::string name(int rank, const std::vector<std::string>& hosts) {
  return describe_ranks({rank}, hosts);
}

const RankState& state_of(const RankStates& states, int rank) {
  return states[static_cast<std::size_t>(rank)];
}

/// "'step 40'".
std::string place_of(const Beat& beat) {
  std::string text = std::string("'") + beat.section.data();
  if (beat.number > 0) text += " " + std::to_string(beat.number);
  return text + "'";
}

std::vector<int> waited_for(const Beat& beat) {
  return {beat.waits_for.begin(), beat.waits_for.begin() + beat.waits};
}

std::string silence(int rank, const RankStates& states, const std::vector<std::string>& hosts) {
  const RankState& state = state_of(states, rank);
  return name(rank, hosts) + " has not been heard of for " + seconds_text(state.silent_s) +
         ", last in " + place_of(state.beat);
}

bool is_stuck(const RankState& state) {
  const Beat& beat = state.beat;
  return beat.leaves == 0 && beat.waits == 0 && beat.section_timeout_s > 0 &&
         beat.still_s + state.silent_s > beat.section_timeout_s;
}

/// "; ranks 0, 1 (h1) wait for it", of those that wait for a culprit themselves.
std::string who_waits(const std::vector<int>& culprits, const RankStates& states,
                      const std::vector<std::string>& hosts) {
  std::vector<int> waiting;
  for (std::size_t rank = 0; rank < states.size(); ++rank)
    for (const int other : waited_for(states[rank].beat))
      if (std::find(culprits.begin(), culprits.end(), other) != culprits.end()) {
        waiting.push_back(static_cast<int>(rank));
        break;
      }
  if (waiting.empty()) return "";
  return "; " + describe_ranks(waiting, hosts) + (waiting.size() == 1 ? " waits" : " wait") +
         (culprits.size() == 1 ? " for it" : " for them");
}

}  // namespace

bool is_silent(const RankState& state, double seconds) {
  static const bool counts_as_alive = fault_planted("session.stopped_counts_as_alive");
  return !counts_as_alive && state.beat.leaves == 0 && state.silent_s > seconds;
}

std::optional<Verdict> judge(const RankStates& states, const std::vector<std::string>& hosts,
                             double timeout_s) {
  Verdict verdict;
  const auto blame = [&](int rank, const std::string& text) {
    verdict.culprits.push_back(rank);
    verdict.text += (verdict.text.empty() ? "" : "; ") + text;
  };
  for (int rank = 0; rank < static_cast<int>(states.size()); ++rank)
    if (is_silent(state_of(states, rank), timeout_s)) blame(rank, silence(rank, states, hosts));
  if (verdict.culprits.empty())
    for (int rank = 0; rank < static_cast<int>(states.size()); ++rank) {
      const RankState& state = state_of(states, rank);
      if (is_stuck(state))
        blame(rank, name(rank, hosts) + " waits for nobody and has made no progress for " +
                        seconds_text(state.beat.still_s + state.silent_s) + " in " +
                        place_of(state.beat));
    }
  if (verdict.culprits.empty()) return std::nullopt;
  verdict.text += who_waits(verdict.culprits, states, hosts);
  return verdict;
}

std::string find_culprit(const RankStates& states, const std::vector<std::string>& hosts,
                         const std::vector<int>& first, double silent_s) {
  std::set<int> seen;
  std::vector<int> path = first;
  std::string behind;
  std::string waits;
  for (std::size_t at = 0; at < path.size(); ++at) {
    const int rank = path[at];
    if (rank < 0 || static_cast<std::size_t>(rank) >= states.size() || !seen.insert(rank).second)
      continue;
    const RankState& state = state_of(states, rank);
    const bool silent = is_silent(state, silent_s);
    const std::vector<int> next = silent ? std::vector<int>() : waited_for(state.beat);
    if (silent)
      behind += (behind.empty() ? "" : "; ") + silence(rank, states, hosts);
    else if (next.empty())
      behind += (behind.empty() ? "" : "; ") + name(rank, hosts) +
                (state.beat.leaves != 0 ? " has left"
                                        : " waits for nobody, is in " + place_of(state.beat));
    else
      waits += (waits.empty() ? "" : "; ") + name(rank, hosts) + " waits for " +
               describe_ranks(next) + " in " + state.beat.waits_in.data();
    path.insert(path.end(), next.begin(), next.end());
  }
  return behind.empty() ? waits : behind;
}

}  // namespace fg::session
