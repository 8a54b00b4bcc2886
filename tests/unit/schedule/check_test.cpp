#include <algorithm>

#include <gtest/gtest.h>

#include <fg/schedule/check.hpp>

#include "plans.hpp"

namespace {

using namespace fg::schedule;
using fg::test::all_kinds;
using fg::test::compute_plan;
using fg::test::full_plan;

Plan small() {
  return with_transfers(compute_plan(Kind::one_forward_one_backward, 2, 3));
}

std::size_t place(const Plan& plan, int rank, const char* action) {
  const auto found = std::ranges::find(plan.programs[rank], *parse_action(action));
  return static_cast<std::size_t>(found - plan.programs[rank].begin());
}

void swap(Plan& plan, int rank, const char* one, const char* other) {
  Program& program = plan.programs[rank];
  std::swap(program.at(place(plan, rank, one)), program.at(place(plan, rank, other)));
}

void expect_fault(const Plan& plan, const std::string& part) {
  const std::string fault = find_fault(plan).value_or("none");
  EXPECT_NE(fault.find(part), std::string::npos) << fault;
}

TEST(FindFault, FindsWhatIsMissing) {
  for (const char* name : {"0F1", "0B2", "0W2", "0SA0", "0RG2"}) {
    Plan plan = small();
    plan.programs[0].erase(plan.programs[0].begin() + static_cast<int>(place(plan, 0, name)));
    expect_fault(plan, std::string(name) + " is missing on rank 0");
  }
  Plan plan = full_plan(Kind::gpipe, 2, 2);
  plan.programs[1].pop_back();
  expect_fault(plan, "1UT is missing on rank 1");
}

TEST(FindFault, FindsWhatIsThereTwice) {
  Plan plan = small();
  plan.programs[1].push_back({Op::backward_weight, 1, 2});
  expect_fault(plan, "1W2 is there twice on rank 1");
}

TEST(FindFault, FindsWhatStandsOnAWrongRank) {
  Plan plan = small();
  plan.programs[1].push_back({Op::forward, 0, 2});
  expect_fault(plan, "0F2 stands on rank 1; its stage is on rank 0");
}

TEST(FindFault, FindsWhatHasNoPlace) {
  for (const Action& action :
       {Action{Op::forward, 2, 0}, Action{Op::forward, 0, 3}, Action{Op::forward, 0},
        Action{Op::update, 0}, Action{Op::reduce_gradients, 0, 1},
        Action{Op::recv_activation, 0, 0}, Action{Op::send_activation, 1, 0},
        Action{Op::forward, -1, 0}}) {
    Plan plan = small();
    plan.programs[0].push_back(action);
    expect_fault(plan, "has no place");
    EXPECT_NE(find_deadlock(plan, 1), std::nullopt);
  }
}

TEST(FindFault, FindsProgramsThatAreNotOnePerRank) {
  Plan plan = small();
  plan.programs.pop_back();
  expect_fault(plan, "programs for 1 ranks");
  EXPECT_NE(find_deadlock(plan, 1), std::nullopt);
  plan = small();
  plan.live_limit.clear();
  expect_fault(plan, "limits for 0");
}

TEST(FindFault, FindsWhatStandsBeforeItsPrerequisite) {
  Plan plan = small();
  swap(plan, 0, "0F0", "0SA0");
  expect_fault(plan, "0SA0 stands before 0F0 on rank 0, which it needs");
  plan = small();
  swap(plan, 1, "1B1", "1W1");
  expect_fault(plan, "1W1 stands before 1B1");
  plan = small();
  swap(plan, 1, "1RA1", "1F1");
  expect_fault(plan, "1F1 stands before 1RA1");
  plan = compute_plan(Kind::zero_bubble_v, 2, 1);
  swap(plan, 1, "1F0", "2F0");
  expect_fault(plan, "2F0 stands before 1F0");
}

TEST(FindFault, FindsGradientsAddedInAnotherOrder) {
  Plan plan = compute_plan(Kind::gpipe, 2, 3);
  swap(plan, 1, "1B0", "1B1");
  swap(plan, 1, "1W0", "1W1");
  expect_fault(plan, "1W1 stands where 1W0 belongs on rank 1");
}

TEST(FindFault, FindsMessagesInAnotherOrder) {
  Plan plan = with_transfers(compute_plan(Kind::gpipe, 2, 3));
  swap(plan, 1, "1RA1", "1RA2");
  // Still before the forwards that need them.
  std::ranges::stable_partition(plan.programs[1],
                                [](const Action& action) { return is_receive(action.op); });
  expect_fault(plan, "rank 0 sends 0SA1 to rank 1 as message 2, which expects 0SA2");
}

TEST(FindFault, FindsMoreActivationsThanPromised) {
  Plan plan = compute_plan(Kind::one_forward_one_backward, 2, 3);
  EXPECT_EQ(find_fault(plan), std::nullopt);
  swap(plan, 1, "1F1", "1B0");  // F0 F1 W0 B0: also out of order, so put that right
  swap(plan, 1, "1B0", "1W0");
  expect_fault(plan, "rank 1 holds 2 activations at 1F1; its limit is 1");
}

/// Transfers right beside their computing, as one would write them by hand.
Plan by_hand(Kind kind, int ranks, int microbatches) {
  const Plan compute = compute_plan(kind, ranks, microbatches);
  Plan plan = with_transfers(compute);
  for (int rank = 0; rank < ranks; ++rank) {
    Program& program = plan.programs[rank];
    program.clear();
    for (const Action& action : compute.programs[rank]) {
      const auto [op, stage, microbatch] = action;
      if (op == Op::forward && stage > 0)
        program.push_back({Op::recv_activation, stage, microbatch});
      if (op == Op::backward_input && stage + 1 < ranks)
        program.push_back({Op::recv_gradient, stage, microbatch});
      program.push_back(action);
      if (op == Op::forward && stage + 1 < ranks)
        program.push_back({Op::send_activation, stage, microbatch});
      if (op == Op::backward_input && stage > 0)
        program.push_back({Op::send_gradient, stage, microbatch});
    }
  }
  return plan;
}

TEST(FindDeadlock, SeesWhatReceivesBesideTheirComputingDo) {
  EXPECT_EQ(find_deadlock(by_hand(Kind::gpipe, 4, 8), 0), std::nullopt);
  for (const Kind kind : {Kind::one_forward_one_backward, Kind::zero_bubble_h1}) {
    const Plan plan = by_hand(kind, 4, 8);
    EXPECT_EQ(find_fault(plan), std::nullopt);
    const std::string where = find_deadlock(plan, 0).value_or("none");
    EXPECT_NE(where.find("wait for ever, channels holding 0 messages"), std::string::npos) << where;
    EXPECT_NE(where.find("rank 3 at 3SG0 waits for 2RG0 of rank 2"), std::string::npos) << where;
    EXPECT_EQ(find_deadlock(plan, 1), std::nullopt);
  }
}

TEST(FindDeadlock, CountsWhatAChannelHolds) {
  // Rank 1 takes nothing before rank 0 has sent all three.
  Plan plan = with_transfers(compute_plan(Kind::gpipe, 2, 3));
  EXPECT_EQ(find_deadlock(plan, 0), std::nullopt);
  const Program& sender = plan.programs[0];
  EXPECT_EQ(sender[1].op, Op::send_activation);
  Plan crossed = plan;  // each first sends what the other takes last
  crossed.programs[1] = {
      {Op::recv_activation, 1, 2}, {Op::recv_activation, 1, 0}, {Op::recv_activation, 1, 1}};
  EXPECT_NE(find_deadlock(crossed, 0), std::nullopt);
  EXPECT_NE(find_deadlock(crossed, 7), std::nullopt);
}

TEST(FindDeadlock, SeesACircleOfComputing) {
  Plan plan = compute_plan(Kind::gpipe, 2, 2);
  swap(plan, 0, "0F1", "0B0");  // 0F0 0B0 0F1 on rank 0, 1F0 1F1 1B0 on rank 1
  const std::string where = find_deadlock(plan, 1).value_or("none");
  EXPECT_NE(where.find("rank 0 at 0B0 waits for 1B0"), std::string::npos) << where;
  EXPECT_NE(where.find("rank 1 at 1F1 waits for 0F1"), std::string::npos) << where;
}

TEST(FindDeadlock, SeesAnExchangeThatOneEndLeavesOut) {
  Plan plan = with_tied_exchange(with_transfers(compute_plan(Kind::gpipe, 2, 2)));
  EXPECT_EQ(find_deadlock(plan, 0), std::nullopt);
  plan.programs[1].pop_back();
  const std::string where = find_deadlock(plan, 4).value_or("none");
  EXPECT_NE(where.find("1 ranks wait for ever"), std::string::npos) << where;
  EXPECT_NE(where.find("rank 0 at 0X waits for 1X of rank 1"), std::string::npos) << where;
}

TEST(FindDeadlock, NamesNoMoreThanEightRanks) {
  Plan plan = compute_plan(Kind::gpipe, 12, 1);
  plan.programs[0].clear();
  const std::string where = find_deadlock(plan, 1).value_or("none");
  EXPECT_NE(where.find("11 ranks wait for ever"), std::string::npos) << where;
  EXPECT_EQ(where.find("rank 9"), std::string::npos) << where;
}

}  // namespace
