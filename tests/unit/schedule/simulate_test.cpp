#include <algorithm>

#include <gtest/gtest.h>

#include <fg/schedule/simulate.hpp>
#include <fg/test/expect_error.hpp>

#include "plans.hpp"

namespace {

using namespace fg::schedule;
using fg::ExitCode;
using fg::test::all_kinds;
using fg::test::compute_plan;
using fg::test::expect_error;

Forecast even(const Plan& plan, const StageCost& cost) {
  return simulate(plan, even_costs(plan.shape, cost));
}

constexpr StageCost alike{1, 1, 1};
constexpr StageCost fused{1, 2, 0};  // the books' backward is one piece

TEST(Simulate, Gives1F1BAndGPipeTheTextbooksBubble) {
  for (const Kind kind : {Kind::one_forward_one_backward, Kind::gpipe})
    for (const int ranks : {1, 2, 3, 4, 8})
      for (const int microbatches : {1, 2, 7, 16, 32})
        EXPECT_NEAR(even(compute_plan(kind, ranks, microbatches), fused).efficiency,
                    textbook_1f1b(ranks, microbatches), 1e-12)
            << to_string(kind) << " " << ranks << " " << microbatches;
  EXPECT_NEAR(textbook_1f1b(2, 16), 0.941, 5e-4);
}

TEST(Simulate, GivesZeroBubbleH1TheTextbooksBubble) {
  for (const int ranks : {1, 2, 3, 4, 8})
    for (const int microbatches : {8, 9, 16, 32})
      EXPECT_NEAR(even(compute_plan(Kind::zero_bubble_h1, ranks, microbatches), alike).efficiency,
                  textbook_zero_bubble_h1(ranks, microbatches), 1e-12)
          << ranks << " " << microbatches;
  EXPECT_NEAR(textbook_zero_bubble_h1(2, 16), 0.980, 5e-4);
}

// A rank waits only until the first microbatch reaches it, or since its part ends early: p - 1
// slots of half a stage each, half of ZB-H1's.
TEST(Simulate, GivesZeroBubbleVItsBubble) {
  for (const int ranks : {1, 2, 3, 4, 8})
    for (const int microbatches : {15, 16, 32})
      EXPECT_NEAR(even(compute_plan(Kind::zero_bubble_v, ranks, microbatches), alike).efficiency,
                  6.0 * microbatches / (6.0 * microbatches + ranks - 1), 1e-12)
          << ranks << " " << microbatches;
  EXPECT_GE(even(compute_plan(Kind::zero_bubble_v, 2, 16), alike).efficiency, 0.980);
}

TEST(Simulate, GivesInterleavingItsShareOfTheBubble) {
  for (const int ranks : {2, 3, 4})
    for (const int chunks : {1, 2, 3})
      for (const int groups : {1, 2, 4}) {
        const int count = groups * ranks;
        const Plan plan = compute_plan(Kind::interleaved, ranks, count, chunks * ranks);
        EXPECT_NEAR(even(plan, fused).efficiency,
                    static_cast<double>(chunks * count) / (chunks * count + ranks - 1), 1e-12)
            << ranks << " " << chunks << " " << count;
      }
}

// The atoms let an input gradient leave before its weight gradient is computed.
TEST(Simulate, ShowsWhatSplittingTheBackwardGains) {
  const Plan plan = compute_plan(Kind::one_forward_one_backward, 4, 8);
  EXPECT_NEAR(even(plan, alike).efficiency, 0.8, 1e-12);
  EXPECT_NEAR(even(plan, fused).efficiency, 8.0 / 11, 1e-12);
}

TEST(Simulate, CountsActivationsThatLive) {
  const auto peak = [](Kind kind) { return even(compute_plan(kind, 4, 8), alike).peak_live; };
  EXPECT_EQ(peak(Kind::gpipe), (std::vector<int>{8, 8, 8, 8}));
  EXPECT_EQ(peak(Kind::one_forward_one_backward), (std::vector<int>{4, 3, 2, 1}));
  EXPECT_EQ(peak(Kind::zero_bubble_h1), (std::vector<int>{4, 4, 4, 4}));
  EXPECT_EQ(peak(Kind::zero_bubble_v), (std::vector<int>{8, 8, 8, 8}));  // halves
  EXPECT_EQ(peak(Kind::interleaved), (std::vector<int>{11, 9, 7, 5}));   // halves
}

Network two_nodes(double bytes_per_second, double latency_s) {
  return {{0, 1}, {}, {bytes_per_second, latency_s}};
}

TEST(Simulate, AddsUpOneMicrobatchByHand) {
  const Plan plan = with_transfers(compute_plan(Kind::gpipe, 2, 1));
  Costs costs = even_costs(plan.shape, {1, 2, 4});
  costs.boundary_bytes = 10;
  const Forecast forecast = simulate(plan, costs, two_nodes(20, 0.25));
  // F, wire, F, B, wire, B, W; the other W meanwhile.
  EXPECT_NEAR(forecast.makespan, 1 + 0.75 + 1 + 2 + 0.75 + 2 + 4, 1e-12);
  EXPECT_NEAR(forecast.idle_share[0], 1 - 7 / 11.5, 1e-12);
  const std::vector<Traffic> traffic = {{0, 1, 1, 10}, {1, 0, 1, 10}};
  EXPECT_EQ(forecast.traffic, traffic);
  EXPECT_NEAR(simulate(plan, costs, {{0, 0}, {10, 0.5}, {}}).makespan, 1 + 1.5 + 1 + 2 + 1.5 + 6,
              1e-12);
}

TEST(Simulate, SendsANodesMessagesOneAfterTheOther) {
  // Ranks 0 and 2 share a node; both send over its wire.
  const Plan plan = with_transfers(compute_plan(Kind::gpipe, 4, 4));
  Costs costs = even_costs(plan.shape, {0, 0, 0});
  costs.boundary_bytes = 1;
  const double shared = simulate(plan, costs, {{0, 1, 0, 1}, {}, {1, 0}}).makespan;
  const double own = simulate(plan, costs, {{0, 1, 2, 3}, {}, {1, 0}}).makespan;
  EXPECT_NEAR(own, 2 * (4 + 2), 1e-12);  // four messages through three hops, there and back
  EXPECT_GE(shared, 2 * 8);              // each way a node has 8 to send on its wire
}

TEST(Simulate, TakesTwiceTheWireForAV) {
  const auto makespan = [](Kind kind) {
    const Plan plan = with_transfers(compute_plan(kind, 2, 64));
    Costs costs = even_costs(plan.shape, {1e-6, 1e-6, 1e-6});
    costs.boundary_bytes = 1;
    return simulate(plan, costs, two_nodes(1, 0)).makespan;
  };
  EXPECT_GE(makespan(Kind::one_forward_one_backward), 64);
  EXPECT_GE(makespan(Kind::zero_bubble_v), 128);
}

TEST(Simulate, CountsTheTiedExchangeAndWhatWaitsForIt) {
  const Plan plan =
      with_updates(with_tied_exchange(with_transfers(compute_plan(Kind::gpipe, 2, 1))));
  Costs costs = even_costs(plan.shape, {1, 1, 1});
  costs.boundary_bytes = 1;
  costs.tied_bytes = 30;
  for (StageCost& stage : costs.stages) stage.update = 1;
  const Forecast forecast = simulate(plan, costs, two_nodes(10, 0));
  // From rank 0's W at 5.2 on the exchange, its other update meanwhile.
  EXPECT_NEAR(forecast.makespan, 5.2 + 3, 1e-9);
  const std::vector<Traffic> traffic = {{0, 1, 2, 31}, {1, 0, 2, 31}};
  EXPECT_EQ(forecast.traffic, traffic);
}

TEST(Simulate, ReducesBesideComputing) {
  const Plan plan = with_reductions(compute_plan(Kind::interleaved, 1, 1, 2));
  Costs costs = even_costs(plan.shape, {1, 1, 1});
  for (StageCost& stage : costs.stages) stage.reduce = 2;
  EXPECT_NEAR(simulate(plan, costs).makespan, 6 + 2, 1e-12);
}

TEST(Simulate, TakesTheSlowestStageForAll) {
  const Plan plan = compute_plan(Kind::one_forward_one_backward, 2, 32);
  Costs costs = even_costs(plan.shape, {1, 1, 1});
  costs.stages[1] = {2, 2, 2};
  EXPECT_NEAR(simulate(plan, costs).makespan, 32 * 6 + 1 + 1 + 1 - 2, 2.0);
}

TEST(Simulate, RefusesWhatDoesNotFit) {
  const Plan plan = compute_plan(Kind::gpipe, 2, 1);
  expect_error(ExitCode::usage, {"costs of stages: 1", "has 2"}, [&] {
    simulate(plan, {{StageCost{}}, 0, 0});
  });
  const Costs costs = even_costs(plan.shape, {1, 1, 1});
  expect_error(ExitCode::usage, {"nodes of ranks: 3", "has 2"}, [&] {
    simulate(plan, costs, {{0, 0, 1}, {}, {}});
  });
  expect_error(ExitCode::usage, "at least 0", [&] { simulate(plan, costs, two_nodes(-1, 0)); });
  expect_error(ExitCode::usage, "at least 0", [&] {
    simulate(plan, even_costs(plan.shape, {1, -1, 1}));
  });
}

TEST(Simulate, RefusesAPlanThatDoesNotEnd) {
  Plan plan = compute_plan(Kind::gpipe, 2, 2);
  std::swap(plan.programs[0][0], plan.programs[0][2]);
  expect_error(ExitCode::bug, "", [&] { simulate(plan, even_costs(plan.shape, {1, 1, 1})); });
}

}  // namespace
