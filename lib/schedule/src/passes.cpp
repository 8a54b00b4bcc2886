#include <algorithm>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/schedule/passes.hpp>

#include "slots.hpp"

namespace fg::schedule {
namespace {

/// The send that follows a compute action, if its result leaves the rank.
bool leaves_rank(const Shape& shape, const Action& action, Action& send) {
  const auto [op, stage, microbatch] = action;
  if (op == Op::forward && stage + 1 < shape.stages && shape.crosses(stage, stage + 1))
    send = {Op::send_activation, stage, microbatch};
  else if (op == Op::backward_input && stage > 0 && shape.crosses(stage, stage - 1))
    send = {Op::send_gradient, stage, microbatch};
  else
    return false;
  return true;
}

/// `plan` with `added` behind the last `op` of each stage.
Plan behind_last(const Plan& plan, Op op, Op added) {
  Plan result = plan;
  for (Program& program : result.programs) {
    std::vector<bool> is_last(program.size());
    std::vector<bool> seen(static_cast<std::size_t>(plan.shape.stages));
    for (std::size_t i = program.size(); i-- > 0;) {
      if (program[i].op != op || seen[program[i].stage]) continue;
      seen[program[i].stage] = is_last[i] = true;
    }
    Program longer;
    for (std::size_t i = 0; i < program.size(); ++i) {
      longer.push_back(program[i]);
      if (is_last[i]) longer.push_back({added, program[i].stage, whole_stage});
    }
    program = std::move(longer);
  }
  return result;
}

void append(Plan& plan, Op op, int stage) {
  plan.programs[plan.shape.rank_of(stage)].push_back({op, stage, whole_stage});
}

}  // namespace

std::vector<Placed> run_in_slots(const Plan& compute) {
  const Shape& shape = compute.shape;
  std::vector<Placed> run;
  std::vector<bool> done(shape.index_count());
  std::vector<std::size_t> next(compute.programs.size());
  const auto is_done = [&](const Action& needed) { return done[shape.index(needed)]; };
  for (std::size_t begin = 0, slot = 0;; ++slot, begin = run.size()) {
    for (int rank = 0; rank < shape.ranks; ++rank) {
      const Program& program = compute.programs[rank];
      if (next[rank] == program.size()) continue;
      const Action& action = program[next[rank]];
      if (!std::ranges::all_of(prerequisites(shape, action), is_done)) continue;
      run.push_back({static_cast<int>(slot), rank, action});
      ++next[rank];
    }
    if (run.size() == begin) return run;
    for (std::size_t i = begin; i < run.size(); ++i) done[shape.index(run[i].action)] = true;
  }
}

Plan with_transfers(const Plan& compute) {
  const Shape& shape = compute.shape;
  FG_CHECK(!shape.transfers && !shape.reductions && !shape.tied && !shape.updates);
  Plan plan = compute;
  plan.shape.transfers = true;
  for (Program& program : plan.programs) program.clear();
  const std::vector<Placed> run = run_in_slots(compute);
  const auto add_computing = [&](const Placed& step) {
    plan.programs[step.rank].push_back(step.action);
  };
  const auto add_transfer = [&](const Placed& step) {
    Action send;
    if (!leaves_rank(shape, step.action, send)) return;
    plan.programs[step.rank].push_back(send);
    const Action receive = counterpart(shape, send).value();
    plan.programs[shape.rank_of(receive)].push_back(receive);
  };
  // What a slot computes is sent at its end: a receive stands behind what its rank does meanwhile.
  const bool send_first = fault_planted("schedule.send_before_compute");
  for (auto slot = run.begin(); slot != run.end();) {
    const auto end =
        std::find_if(slot, run.end(), [&](const Placed& step) { return step.slot != slot->slot; });
    if (send_first) std::for_each(slot, end, add_transfer);
    std::for_each(slot, end, add_computing);
    if (!send_first) std::for_each(slot, end, add_transfer);
    slot = end;
  }
  std::size_t all = 0;
  for (const Program& program : compute.programs) all += program.size();
  FG_CHECK(run.size() == all);
  return plan;
}

Plan with_reductions(const Plan& plan) {
  FG_CHECK(!plan.shape.reductions && !plan.shape.tied && !plan.shape.updates);
  Plan result = behind_last(plan, Op::backward_weight, Op::reduce_gradients);
  result.shape.reductions = true;
  return result;
}

Plan with_tied_exchange(const Plan& plan) {
  FG_CHECK(!plan.shape.tied && !plan.shape.updates);
  Plan result = plan;
  result.shape.tied = true;
  if (result.shape.tied_ends_cross()) {
    append(result, Op::exchange_tied, 0);
    append(result, Op::exchange_tied, plan.shape.stages - 1);
  }
  return result;
}

Plan with_updates(const Plan& plan, UpdateTime time) {
  const Shape& shape = plan.shape;
  FG_CHECK(!shape.updates);
  const bool at_once = time == UpdateTime::at_once && !shape.reductions;
  Plan result = at_once ? behind_last(plan, Op::backward_weight, Op::update) : plan;
  result.shape.updates = true;
  for (int stage = shape.stages - 1; stage >= 0 && !at_once; --stage)
    append(result, Op::update, stage);
  if (shape.tied) append(result, Op::update_tied, 0);
  if (shape.tied_ends_cross()) append(result, Op::update_tied, shape.stages - 1);
  return result;
}

Program forward_part(const Program& program) {
  Program result;
  for (const Action& action : program)
    if (action.op == Op::forward || action.op == Op::send_activation ||
        action.op == Op::recv_activation)
      result.push_back(action);
  return result;
}

Plan compute_only(const Plan& plan) {
  Plan result = plan;
  Shape& shape = result.shape;
  shape.transfers = shape.reductions = shape.tied = shape.updates = false;
  for (Program& program : result.programs)
    std::erase_if(program, [](const Action& action) { return !is_compute(action.op); });
  return result;
}

}  // namespace fg::schedule
