#include <algorithm>
#include <map>
#include <utility>

#include <fg/schedule/check.hpp>

#include "legal.hpp"

namespace fg::schedule {
namespace {

using Fault = std::optional<std::string>;

std::string on_rank(int rank) {
  return " on rank " + std::to_string(rank);
}

bool in_range(const Shape& shape, const Action& action) {
  if (action.stage < 0 || action.stage >= shape.stages) return false;
  if (is_whole_stage(action.op)) return action.microbatch == whole_stage;
  return action.microbatch >= 0 && action.microbatch < shape.microbatches;
}

Fault find_missing_or_doubled(const Plan& plan) {
  const Shape& shape = plan.shape;
  std::vector<bool> seen(shape.index_count());
  for (int rank = 0; rank < shape.ranks; ++rank)
    for (const Action& action : plan.programs[rank]) {
      if (seen[shape.index(action)]) return to_string(action) + " is there twice" + on_rank(rank);
      seen[shape.index(action)] = true;
    }
  for (int op = 0; op < op_count; ++op)
    for (int stage = 0; stage < shape.stages; ++stage) {
      Action action{static_cast<Op>(op), stage, whole_stage};
      if (!belongs(shape, action.op, stage)) continue;
      const int times = is_whole_stage(action.op) ? 1 : shape.microbatches;
      for (int i = 0; i < times; ++i) {
        if (!is_whole_stage(action.op)) action.microbatch = i;
        if (!seen[shape.index(action)])
          return to_string(action) + " is missing" + on_rank(shape.rank_of(action));
      }
    }
  return {};
}

/// Among ranks only messages and exchanges wait; their order is `find_deadlock`'s matter.
Fault find_too_early(const Plan& plan) {
  const Shape& shape = plan.shape;
  std::vector<bool> done(shape.index_count());
  for (int rank = 0; rank < shape.ranks; ++rank)
    for (const Action& action : plan.programs[rank]) {
      for (const Action& needed : prerequisites(shape, action))
        if (shape.rank_of(needed) == rank && !done[shape.index(needed)])
          return to_string(action) + " stands before " + to_string(needed) + on_rank(rank) +
                 ", which it needs";
      done[shape.index(action)] = true;
    }
  return {};
}

Fault find_unordered_weights(const Plan& plan) {
  std::vector<int> expected(static_cast<std::size_t>(plan.shape.stages));
  for (int rank = 0; rank < plan.shape.ranks; ++rank)
    for (const Action& action : plan.programs[rank]) {
      if (action.op != Op::backward_weight) continue;
      const int wanted = expected[action.stage]++;
      if (action.microbatch != wanted)
        return to_string(action) + " stands where " +
               to_string({Op::backward_weight, action.stage, wanted}) + " belongs" + on_rank(rank) +
               ": gradients are added in the order of the microbatches";
    }
  return {};
}

using Channels = std::map<std::pair<int, int>, std::vector<Action>>;  // from, to → sends in order

/// What each pair's sender sends, or what its receiver expects, both written as the sends.
Channels channels(const Plan& plan, bool as_sender) {
  const Shape& shape = plan.shape;
  Channels result;
  for (int rank = 0; rank < shape.ranks; ++rank)
    for (const Action& action : plan.programs[rank]) {
      const std::optional<Action> other = counterpart(shape, action);
      if (!other) continue;
      const int peer = shape.rank_of(*other);
      const bool both_ways = action.op == Op::exchange_tied;
      if (as_sender && (both_ways || is_send(action.op))) result[{rank, peer}].push_back(action);
      if (!as_sender && (both_ways || is_receive(action.op)))
        result[{peer, rank}].push_back(*other);
    }
  return result;
}

Fault find_crossed_messages(const Plan& plan) {
  const Channels sent = channels(plan, true);
  const Channels expected = channels(plan, false);
  for (const auto& [pair, sends] : sent) {
    const std::vector<Action>& receives = expected.at(pair);
    const auto [send, receive] = std::ranges::mismatch(sends, receives);
    if (send != sends.end())
      return "rank " + std::to_string(pair.first) + " sends " + to_string(*send) + " to rank " +
             std::to_string(pair.second) + " as message " +
             std::to_string(send - sends.begin() + 1) + ", which expects " + to_string(*receive);
  }
  return {};
}

Fault find_too_many_live(const Plan& plan) {
  for (int rank = 0; rank < plan.shape.ranks; ++rank) {
    int live = 0;
    for (const Action& action : plan.programs[rank]) {
      live += action.op == Op::forward ? 1 : action.op == Op::backward_weight ? -1 : 0;
      if (live > plan.live_limit[rank])
        return "rank " + std::to_string(rank) + " holds " + std::to_string(live) +
               " activations at " + to_string(action) + "; its limit is " +
               std::to_string(plan.live_limit[rank]);
    }
  }
  return {};
}

}  // namespace

bool belongs(const Shape& shape, Op op, int stage) {
  const int last = shape.stages - 1;
  const bool from_before = shape.transfers && stage > 0 && shape.crosses(stage, stage - 1);
  const bool to_next = shape.transfers && stage < last && shape.crosses(stage, stage + 1);
  const bool is_end = stage == 0 || stage == last;
  switch (op) {
    case Op::forward:
    case Op::backward_input:
    case Op::backward_weight:
      return true;
    case Op::send_activation:
    case Op::recv_gradient:
      return to_next;
    case Op::recv_activation:
    case Op::send_gradient:
      return from_before;
    case Op::reduce_gradients:
      return shape.reductions;
    case Op::exchange_tied:
      return is_end && shape.tied_ends_cross();
    case Op::update:
      return shape.updates;
    case Op::update_tied:
      return shape.updates && shape.tied && (stage == 0 || (is_end && shape.tied_ends_cross()));
  }
  return false;
}

Fault find_illegal(const Plan& plan) {
  const Shape& shape = plan.shape;
  if (auto fault = find_shape_fault(shape)) return fault;
  const auto ranks = static_cast<std::size_t>(shape.ranks);
  if (plan.programs.size() != ranks || plan.live_limit.size() != ranks)
    return "programs for " + std::to_string(plan.programs.size()) + " ranks and limits for " +
           std::to_string(plan.live_limit.size()) + ", where the plan has " + std::to_string(ranks);
  for (int rank = 0; rank < shape.ranks; ++rank)
    for (const Action& action : plan.programs[rank]) {
      if (!in_range(shape, action) || !belongs(shape, action.op, action.stage))
        return to_string(action) + on_rank(rank) + " has no place in a plan of " +
               std::to_string(shape.stages) + " stages and " + std::to_string(shape.microbatches) +
               " microbatches with these parts";
      if (shape.rank_of(action) != rank)
        return to_string(action) + " stands" + on_rank(rank) + "; its stage is" +
               on_rank(shape.rank_of(action));
    }
  return {};
}

Fault find_fault(const Plan& plan) {
  for (const auto find : {find_illegal, find_missing_or_doubled, find_too_early,
                          find_unordered_weights, find_crossed_messages, find_too_many_live})
    if (Fault fault = find(plan)) return fault;
  return {};
}

}  // namespace fg::schedule
