#include <random>

#include <gtest/gtest.h>

#include <fg/base/error.hpp>
#include <fg/schedule/check.hpp>
#include <fg/schedule/csv.hpp>
#include <fg/schedule/simulate.hpp>

#include "plans.hpp"

namespace {

using namespace fg::schedule;
using fg::test::all_kinds;
using fg::test::compute_plan;

std::string named(const Plan& plan) {
  return plan.name + ", " + std::to_string(plan.shape.ranks) + " ranks, " +
         std::to_string(plan.shape.stages) + " stages, " + std::to_string(plan.shape.microbatches) +
         " microbatches";
}

/// Every schedule at every size up to these, with 1 to 3 stages a rank where that is free.
template <typename Check>
int for_each_plan(int ranks_to, int microbatches_to, Check check) {
  int plans = 0;
  for (int ranks = 1; ranks <= ranks_to; ++ranks)
    for (int microbatches = 1; microbatches <= microbatches_to; ++microbatches)
      for (const Kind kind : all_kinds())
        for (int chunks = 1; chunks <= (kind == Kind::interleaved ? 3 : 1); ++chunks, ++plans)
          check(compute_plan(kind, ranks, microbatches,
                             kind == Kind::interleaved ? chunks * ranks : 0));
  return plans;
}

TEST(Sweep, NoPlanHasAFaultOrLocksUp) {
  const int plans = for_each_plan(9, 32, [](const Plan& compute) {
    Plan plan = with_transfers(compute);
    ASSERT_EQ(find_fault(compute), std::nullopt) << named(plan);
    ASSERT_EQ(find_fault(plan), std::nullopt) << named(plan);
    ASSERT_EQ(find_deadlock(plan, 0), std::nullopt) << named(plan);
    ASSERT_EQ(find_deadlock(plan, 2), std::nullopt) << named(plan);
  });
  EXPECT_EQ(plans, 9 * 32 * 7);
}

TEST(Sweep, NeitherDoesOneWithEveryPart) {
  for_each_plan(6, 12, [](const Plan& compute) {
    for (const UpdateTime time : {UpdateTime::at_once, UpdateTime::at_end}) {
      const Plan sent = with_transfers(compute);
      for (const Plan& plan :
           {with_updates(sent, time), with_updates(with_tied_exchange(sent), time),
            with_updates(with_tied_exchange(with_reductions(sent)), time)}) {
        ASSERT_EQ(find_fault(plan), std::nullopt) << named(plan);
        ASSERT_EQ(find_deadlock(plan, 0), std::nullopt) << named(plan);
        ASSERT_EQ(from_csv(to_csv(plan), "plan"), plan) << named(plan);
      }
    }
  });
}

TEST(Sweep, TheStepIsAsLongAsItsWorkAndHoldsNoMoreThanPromised) {
  for_each_plan(8, 20, [](const Plan& plan) {
    const Shape& shape = plan.shape;
    const Forecast forecast = simulate(plan, even_costs(shape, {1, 1, 1}));
    const double work = 3.0 * shape.stages / shape.ranks * shape.microbatches;
    ASSERT_GE(forecast.makespan, work) << named(plan);
    ASSERT_LE(forecast.makespan, 3.0 * shape.stages * shape.microbatches) << named(plan);
    ASSERT_NEAR(forecast.efficiency * forecast.makespan, work, 1e-9) << named(plan);
    for (int rank = 0; rank < shape.ranks; ++rank)
      ASSERT_LE(forecast.peak_live[rank], plan.live_limit[rank]) << named(plan);
  });
}

TEST(Sweep, TheForwardsAloneDoNotLockUp) {
  for_each_plan(6, 10, [](const Plan& compute) {
    Plan plan = with_updates(with_tied_exchange(with_transfers(compute)));
    for (Program& program : plan.programs) program = forward_part(program);
    ASSERT_EQ(find_deadlock(plan, 0), std::nullopt) << named(plan);
    std::size_t forwards = 0;
    for (const Program& program : compute_only(plan).programs) forwards += program.size();
    const Shape& shape = plan.shape;
    ASSERT_EQ(forwards, static_cast<std::size_t>(shape.stages * shape.microbatches));
  });
}

/// One random edit, as a careless hand makes it; says whether it must be a fault.
bool edit(Plan& plan, std::mt19937& random) {
  const auto below = [&](std::size_t size) { return random() % size; };
  Program& program = plan.programs[below(plan.programs.size())];
  const std::size_t place = below(program.size());
  switch (random() % 4) {
    case 0:
      program.erase(program.begin() + static_cast<std::ptrdiff_t>(place));
      return true;
    case 1:
      program.push_back(program[place]);
      return true;
    case 2: {
      Action& action = program[place];
      action.stage = (action.stage + 1) % plan.shape.stages;
      return plan.shape.stages > 1;
    }
    default:
      std::swap(program[place], program[below(program.size())]);
      return false;
  }
}

TEST(Sweep, EditedPlansAreRefusedOrRun) {
  std::mt19937 random(6);
  int refused = 0;
  int ran = 0;
  for (int i = 0; i < 3000; ++i) {
    const Kind kind = all_kinds()[random() % all_kinds().size()];
    Plan plan = with_transfers(
        compute_plan(kind, 1 + static_cast<int>(random() % 4), 1 + static_cast<int>(random() % 6)));
    const Plan right = plan;
    const bool must_be_refused = edit(plan, random);
    const bool has_fault = find_fault(plan).has_value();
    ASSERT_TRUE(has_fault || !must_be_refused) << to_csv(plan);
    // A channel that holds more never makes a deadlock.
    bool locked = true;
    for (const int capacity : {0, 1, 2, 5, 100}) {
      const bool now = find_deadlock(plan, capacity).has_value();
      ASSERT_TRUE(locked || !now) << to_csv(plan);
      locked = now;
    }
    if (has_fault || locked) {
      ++refused;
      continue;
    }
    ++ran;
    ASSERT_NO_THROW(simulate(plan, even_costs(plan.shape, {1, 1, 1}))) << to_csv(plan);
    ASSERT_EQ(plan.shape, right.shape);
  }
  EXPECT_GT(refused, 2000);
  EXPECT_GT(ran, 30);
}

}  // namespace
