#include <algorithm>

#include <gtest/gtest.h>

#include <fg/base/error.hpp>
#include <fg/schedule/check.hpp>
#include <fg/schedule/passes.hpp>

#include "plans.hpp"

namespace {

using namespace fg::schedule;
using fg::test::all_kinds;
using fg::test::compute_plan;
using fg::test::full_plan;

std::size_t place(const Plan& plan, int rank, const Action& action) {
  const Program& program = plan.programs[rank];
  const auto found = std::ranges::find(program, action);
  EXPECT_NE(found, program.end()) << to_string(action) << " on rank " << rank;
  return static_cast<std::size_t>(found - program.begin());
}

std::ptrdiff_t count(const Plan& plan, Op op) {
  std::ptrdiff_t all = 0;
  for (const Program& program : plan.programs)
    all += std::ranges::count(program, op, [](const Action& action) { return action.op; });
  return all;
}

TEST(Transfers, SendWhatIsThere) {
  for (const Kind kind : all_kinds()) {
    const Plan plan = with_transfers(compute_plan(kind, 3, 5));
    for (int rank = 0; rank < 3; ++rank)
      for (const Action& action : plan.programs[rank]) {
        if (!is_send(action.op)) continue;
        EXPECT_LT(place(plan, rank, prerequisites(plan.shape, action)[0]),
                  place(plan, rank, action))
            << to_string(kind) << " " << to_string(action);
      }
  }
}

TEST(Transfers, AreNotMadeWithinARank) {
  const Plan plan = with_transfers(compute_plan(Kind::zero_bubble_v, 2, 4));  // ranks 0 1 1 0
  EXPECT_EQ(count(plan, Op::send_activation), 2 * 4);
  EXPECT_EQ(count(plan, Op::recv_gradient), 2 * 4);
  for (const Action& action : plan.programs[1])
    EXPECT_TRUE(action.op != Op::send_activation || action.stage == 2) << to_string(action);
  const Plan alone = with_transfers(compute_plan(Kind::interleaved, 1, 4, 3));
  EXPECT_EQ(count(alone, Op::send_activation) + count(alone, Op::send_gradient), 0);
}

TEST(Transfers, LeaveTheOrderOfComputing) {
  for (const Kind kind : all_kinds())
    EXPECT_EQ(compute_only(full_plan(kind, 4, 6)), compute_plan(kind, 4, 6)) << to_string(kind);
}

TEST(Reductions, StandBehindTheLastWeightGradient) {
  const Plan plan = with_reductions(with_transfers(compute_plan(Kind::interleaved, 2, 4)));
  for (int stage = 0; stage < 4; ++stage) {
    const int rank = plan.shape.rank_of_stage[stage];
    EXPECT_EQ(place(plan, rank, {Op::reduce_gradients, stage}),
              place(plan, rank, {Op::backward_weight, stage, 3}) + 1);
  }
}

TEST(TiedExchange, IsBetweenTheEndsWhereTheyLieApart) {
  const Plan apart = with_tied_exchange(with_transfers(compute_plan(Kind::gpipe, 3, 2)));
  EXPECT_EQ(apart.programs[0].back(), (Action{Op::exchange_tied, 0}));
  EXPECT_EQ(apart.programs[2].back(), (Action{Op::exchange_tied, 2}));
  EXPECT_EQ(count(apart, Op::exchange_tied), 2);
  const Plan together = with_tied_exchange(with_transfers(compute_plan(Kind::zero_bubble_v, 3, 2)));
  EXPECT_EQ(count(together, Op::exchange_tied), 0);
}

TEST(Updates, RunOnceAStageAndTensorGroup) {
  const Plan plain = with_updates(with_transfers(compute_plan(Kind::interleaved, 2, 3)));
  EXPECT_EQ(count(plain, Op::update), 4);
  EXPECT_EQ(count(plain, Op::update_tied), 0);
  EXPECT_EQ(place(plain, 0, {Op::update, 2}), place(plain, 0, {Op::backward_weight, 2, 2}) + 1);
  EXPECT_EQ(count(full_plan(Kind::gpipe, 2, 3), Op::update_tied), 2);
  EXPECT_EQ(count(full_plan(Kind::zero_bubble_v, 2, 3), Op::update_tied), 1);
  EXPECT_EQ(count(full_plan(Kind::gpipe, 1, 3), Op::update_tied), 1);
}

TEST(Updates, AtTheEndStandBehindAllGradients) {
  const Plan plan =
      with_updates(with_transfers(compute_plan(Kind::interleaved, 2, 3)), UpdateTime::at_end);
  EXPECT_EQ(find_fault(plan), std::nullopt);
  for (const Program& program : plan.programs) {
    ASSERT_GE(program.size(), 2U);
    EXPECT_EQ(program[program.size() - 1].op, Op::update);
    EXPECT_EQ(program[program.size() - 2].op, Op::update);
  }
}

TEST(Passes, AreNotTakenOutOfOrder) {
  const Plan full = full_plan(Kind::gpipe, 2, 2);
  EXPECT_THROW(with_transfers(full), fg::Error);
  EXPECT_THROW(with_reductions(full), fg::Error);
  EXPECT_THROW(with_tied_exchange(full), fg::Error);
  EXPECT_THROW(with_updates(full), fg::Error);
}

TEST(Passes, DoNotGoOnWithAPlanThatLocksUp) {
  Plan plan = compute_plan(Kind::gpipe, 2, 2);
  std::swap(plan.programs[0][0], plan.programs[0][2]);
  EXPECT_THROW(with_transfers(plan), fg::Error);
}

}  // namespace
