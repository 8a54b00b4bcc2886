#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/schedule/check.hpp>

#include "legal.hpp"

namespace fg::schedule {
namespace {

/// All ranks, each at one place of its program. What may run stays possible until it runs, so the
/// order in which ranks are tried does not matter.
class Ranks {
public:
  Ranks(const Plan& plan, int capacity)
      : plan_(plan),
        capacity_(static_cast<std::size_t>(capacity)),
        at_(plan.programs.size()),
        done_(plan.shape.index_count()) {}

  /// Runs until no rank can move.
  void run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (int rank = 0; rank < plan_.shape.ranks; ++rank)
        while (!at_end(rank) && step(rank)) moved = true;
    }
  }

  bool at_end(int rank) const { return at_[rank] == plan_.programs[rank].size(); }
  const Action& current(int rank) const { return plan_.programs[rank][at_[rank]]; }

  /// What the action of a rank that cannot move waits for.
  std::string reason(int rank) const {
    const Action& action = current(rank);
    const std::optional<Action> other = counterpart(plan_.shape, action);
    if (!is_receive(action.op))
      for (const Action& needed : prerequisites(plan_.shape, action))
        if (!done_[plan_.shape.index(needed)]) return to_string(needed);
    return other ? to_string(*other) + " of rank " + std::to_string(plan_.shape.rank_of(*other))
                 : std::string("itself");
  }

private:
  struct Channel {
    std::vector<Action> messages;
    std::size_t taken = 0;
  };

  bool ready(const Action& action) const {
    return std::ranges::all_of(prerequisites(plan_.shape, action), [&](const Action& needed) {
      return done_[plan_.shape.index(needed)];
    });
  }

  void finish(int rank) {
    done_[plan_.shape.index(current(rank))] = true;
    ++at_[rank];
  }

  bool step(int rank) {
    const Action action = current(rank);
    const std::optional<Action> other = counterpart(plan_.shape, action);
    if (!other) return ready(action) && (finish(rank), true);
    const int peer = plan_.shape.rank_of(*other);
    if (action.op == Op::exchange_tied || capacity_ == 0) return meet(rank, action, peer, *other);
    return is_send(action.op) ? put(rank, action, peer) : take(rank, peer, *other);
  }

  /// Both ends at once.
  bool meet(int rank, const Action& action, int peer, const Action& other) {
    if (at_end(peer) || current(peer) != other) return false;
    if (!is_receive(action.op) && !ready(action)) return false;
    if (!is_receive(other.op) && !ready(other)) return false;
    finish(rank);
    finish(peer);
    return true;
  }

  bool put(int rank, const Action& action, int peer) {
    Channel& channel = channels_[{rank, peer}];
    if (!ready(action) || channel.messages.size() - channel.taken >= capacity_) return false;
    channel.messages.push_back(action);
    finish(rank);
    return true;
  }

  bool take(int rank, int peer, const Action& other) {
    Channel& channel = channels_[{peer, rank}];
    if (channel.taken == channel.messages.size() || channel.messages[channel.taken] != other)
      return false;
    ++channel.taken;
    finish(rank);
    return true;
  }

  const Plan& plan_;
  std::size_t capacity_;
  std::vector<std::size_t> at_;
  std::vector<bool> done_;
  std::map<std::pair<int, int>, Channel> channels_;
};

}  // namespace

std::optional<std::string> find_deadlock(const Plan& plan, int capacity) {
  FG_CHECK(capacity >= 0);
  if (auto fault = find_illegal(plan)) return fault;
  if (fault_planted("schedule.deadlock_unseen")) return {};
  Ranks ranks(plan, capacity);
  ranks.run();
  std::string where;
  int named = 0;
  int stuck = 0;
  for (int rank = 0; rank < plan.shape.ranks; ++rank) {
    if (ranks.at_end(rank)) continue;
    ++stuck;
    if (++named > 8) continue;
    where += (where.empty() ? "" : "; ") + std::string("rank ") + std::to_string(rank) + " at " +
             to_string(ranks.current(rank)) + " waits for " + ranks.reason(rank);
  }
  if (stuck == 0) return {};
  return std::to_string(stuck) + " ranks wait for ever, channels holding " +
         std::to_string(capacity) + " messages: " + where + (stuck > 8 ? "; ..." : "");
}

}  // namespace fg::schedule
