#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include <fg/schedule/split.hpp>
#include <fg/test/expect_error.hpp>

namespace {

using namespace fg::schedule;
using fg::ExitCode;
using fg::test::expect_error;

ModelCost model(int layers, double head, double embedding = 0) {
  return {embedding, std::vector<double>(static_cast<std::size_t>(layers), 1.0), head};
}

std::vector<int> straight(int stages) {
  std::vector<int> ranks(static_cast<std::size_t>(stages));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

std::vector<int> counts(const Split& split) {
  std::vector<int> result;
  for (int stage = 0; stage < split.stages(); ++stage) result.push_back(split.layers(stage));
  return result;
}

TEST(SplitByCost, CountsTheHead) {
  // Llama-3.2-1B: the head is worth 4.3 of its 16 layers.
  const Split split = split_by_cost(model(16, 4.3), straight(2));
  EXPECT_EQ(counts(split), (std::vector<int>{10, 6}));
  EXPECT_NEAR(split.balance(), 20.3 / 20.6, 1e-12);
  EXPECT_EQ(counts(split_by_cost(model(16, 0, 6), straight(2))), (std::vector<int>{5, 11}));
}

TEST(SplitByCost, CountsEachRanksSpeed) {
  EXPECT_EQ(counts(split_by_cost(model(12, 0), straight(2), {2, 1})), (std::vector<int>{8, 4}));
  EXPECT_EQ(counts(split_by_cost(model(12, 0), {0, 1, 1, 0}, {1, 0.5})),
            (std::vector<int>{4, 2, 2, 4}));
}

TEST(SplitByCost, IsTheMostEvenOfTheBest) {
  EXPECT_EQ(counts(split_by_cost(model(8, 0), straight(4))), (std::vector<int>{2, 2, 2, 2}));
  // The last stage is the slowest whatever happens; the others share evenly.
  EXPECT_EQ(counts(split_by_cost(model(9, 20), straight(3))), (std::vector<int>{4, 4, 1}));
}

/// The least slowest stage of all splits, by trying them.
double brute_force(const ModelCost& costs, const std::vector<int>& ranks,
                   const std::vector<double>& speed) {
  const int layers = static_cast<int>(costs.layers.size());
  const int stages = static_cast<int>(ranks.size());
  double best = std::numeric_limits<double>::infinity();
  const std::function<void(int, int, double)> go = [&](int stage, int first, double slowest) {
    if (stage == stages) {
      if (first == layers) best = std::min(best, slowest);
      return;
    }
    double sum = (stage == 0 ? costs.embedding : 0) + (stage == stages - 1 ? costs.head : 0);
    for (int end = first + 1; end <= layers; ++end) {
      sum += costs.layers[end - 1];
      go(stage + 1, end, std::max(slowest, sum / speed[ranks[stage]]));
    }
  };
  go(0, 0, 0);
  return best;
}

TEST(SplitByCost, IsAsGoodAsTryingAll) {
  std::mt19937 random(11);
  std::uniform_real_distribution<double> cost(0, 3);
  for (int i = 0; i < 300; ++i) {
    const int stages = 1 + static_cast<int>(random() % 4);
    const int layers = stages + static_cast<int>(random() % 7);
    ModelCost costs{cost(random), {}, 2 * cost(random)};
    for (int layer = 0; layer < layers; ++layer) costs.layers.push_back(cost(random));
    std::vector<double> speed;
    for (int rank = 0; rank < stages; ++rank) speed.push_back(0.2 + cost(random));
    const Split split = split_by_cost(costs, straight(stages), speed);
    EXPECT_NEAR(split.slowest(), brute_force(costs, straight(stages), speed), 1e-9);
    EXPECT_EQ(split.first_layer.front(), 0);
    EXPECT_EQ(split.first_layer.back(), layers);
    EXPECT_TRUE(std::ranges::is_sorted(split.first_layer, std::less_equal<>()));
  }
}

TEST(SplitByCost, RefusesWithBothNumbers) {
  expect_error(ExitCode::usage, "3 layers for 4 stages",
               [] { split_by_cost(model(3, 1), straight(4)); });
  expect_error(ExitCode::usage, "3 speeds for 2 ranks", [] {
    split_by_cost(model(3, 1), straight(2), {1, 1, 1});
  });
  expect_error(ExitCode::usage, "at least one stage", [] { split_by_cost(model(3, 1), {}); });
  expect_error(ExitCode::usage, "1025 layers", [] { split_by_cost(model(1025, 1), {0}); });
  expect_error(ExitCode::usage, "speeds of more than 0", [] {
    split_by_cost(model(3, 1), straight(2), {1, 0});
  });
  expect_error(ExitCode::usage, "costs must be", [] { split_by_cost(model(3, -1), straight(2)); });
  expect_error(ExitCode::usage, "costs must be", [] {
    split_by_cost(model(3, std::numeric_limits<double>::quiet_NaN()), straight(2));
  });
}

TEST(SplitAsGiven, IsTakenIfItAddsUp) {
  const Split split = split_as_given({6, 10}, model(16, 4), straight(2));
  EXPECT_EQ(split.first_layer, (std::vector<int>{0, 6, 16}));
  EXPECT_EQ(split.cost, (std::vector<double>{6, 14}));
}

TEST(SplitAsGiven, IsRefusedWithBothNumbers) {
  const auto refused = [](std::vector<int> layers, const std::string& message) {
    expect_error(ExitCode::usage, message,
                 [&] { split_as_given(layers, model(16, 4), straight(2)); });
  };
  refused({16}, "names 1 stages, where the schedule has 2");
  refused({8, 4, 4}, "names 3 stages, where the schedule has 2");
  refused({8, 9}, "gives out 17 layers, where the model has 16");
  refused({8, 7}, "gives out 15 layers");
  refused({16, 0}, "gives stage 1 0 layers");
  refused({20, -4}, "gives stage 1 -4 layers");
  refused({2000000000, 2000000000}, "gives out 4000000000 layers");
}

TEST(Split, IsPrintedAStageALine) {
  const std::vector<int> places = {0, 1, 1, 0};
  const std::string text = to_string(split_by_cost(model(8, 1), places), places);
  EXPECT_EQ(text,
            "stage  rank  layers      count  cost      of the slowest\n"
            "    0     0  0-2             3  3         100 %  + embedding\n"
            "    1     1  3-4             2  2          67 %\n"
            "    2     1  5-6             2  2          67 %\n"
            "    3     0  7-7             1  2          67 %  + head\n"
            "balance 0.750 (mean over slowest stage)\n");
}

}  // namespace
