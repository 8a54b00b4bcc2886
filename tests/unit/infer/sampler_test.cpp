#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <fg/infer/sampler.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::infer {
namespace {

constexpr float nothing = -std::numeric_limits<float>::infinity();

/// Logits whose softmax are these probabilities.
std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double one : probabilities)
    logits.push_back(one == 0 ? nothing : static_cast<float>(std::log(one)));
  return logits;
}

std::vector<std::int32_t> ids_of(const std::vector<Candidate>& candidates) {
  std::vector<std::int32_t> ids;
  for (const Candidate& one : candidates) ids.push_back(one.id);
  return ids;
}

using Ids = std::vector<std::int32_t>;

TEST(Sampler, GivesTheSoftmaxWithoutFilters) {
  const auto all = distribution(logits_of({0.5, 0.125, 0.375}), {}, {});

  ASSERT_EQ(ids_of(all), (Ids{0, 1, 2}));
  EXPECT_NEAR(all[0].probability, 0.5, 1e-7);
  EXPECT_NEAR(all[1].probability, 0.125, 1e-7);
  EXPECT_NEAR(all[2].probability, 0.375, 1e-7);
}

TEST(Sampler, DividesByTheTemperature) {
  // p^(1/2): √0.64 : √0.36 = 0.8 : 0.6
  const auto warm = distribution(logits_of({0.64, 0.36}), {}, {.temperature = 2.0});

  EXPECT_NEAR(warm[0].probability, 0.8 / 1.4, 1e-7);
}

TEST(Sampler, TakesTheLikeliestAtTemperatureZero) {
  const std::vector<float> logits = {0.0f, 3.0f, -1.0f, 3.0f};

  EXPECT_EQ(ids_of(distribution(logits, {}, {.temperature = 0.0, .top_k = 3})), (Ids{1}));
}

TEST(Sampler, KeepsAllThatEqualTheLastOfTopK) {
  const std::vector<float> logits = {1.0f, 3.0f, 2.0f, 2.0f, 0.0f};

  EXPECT_EQ(ids_of(distribution(logits, {}, {.top_k = 1})), (Ids{1}));
  EXPECT_EQ(ids_of(distribution(logits, {}, {.top_k = 2})), (Ids{1, 2, 3}));
  EXPECT_EQ(ids_of(distribution(logits, {}, {.top_k = 99})), (Ids{0, 1, 2, 3, 4}));
}

TEST(Sampler, KeepsTheTokenThatReachesTopP) {
  const std::vector<float> logits = logits_of({0.1, 0.4, 0.2, 0.3});

  EXPECT_EQ(ids_of(distribution(logits, {}, {.top_p = 0.39})), (Ids{1}));
  EXPECT_EQ(ids_of(distribution(logits, {}, {.top_p = 0.41})), (Ids{1, 3}));
  EXPECT_EQ(ids_of(distribution(logits, {}, {.top_p = 0.71})), (Ids{1, 2, 3}));
  EXPECT_EQ(ids_of(distribution(logits, {}, {.top_p = 0.0})), (Ids{1}));
  const auto two = distribution(logits, {}, {.top_p = 0.5});
  EXPECT_NEAR(two[0].probability, 0.4 / 0.7, 1e-6);
}

TEST(Sampler, PrefersTheHigherIdOfEqualsInTopP) {
  const std::vector<float> logits = {1.0f, 1.0f, 1.0f, 1.0f};

  EXPECT_EQ(ids_of(distribution(logits, {}, {.top_p = 0.4})), (Ids{2, 3}));
}

TEST(Sampler, ComparesMinPWithTheLikeliest) {
  const std::vector<float> logits = logits_of({0.5, 0.24, 0.26});

  EXPECT_EQ(ids_of(distribution(logits, {}, {.min_p = 0.5})), (Ids{0, 2}));
  EXPECT_EQ(ids_of(distribution(logits, {}, {.min_p = 1.0})), (Ids{0}));
}

TEST(Sampler, AppliesTopPToWhatTopKLeft) {
  // Of all four, 0.4 and 0.3 are needed for 0.55; of 0.4 and 0.3 alone, 0.4 is 0.571.
  const std::vector<float> logits = logits_of({0.1, 0.4, 0.2, 0.3});

  EXPECT_EQ(ids_of(distribution(logits, {}, {.top_p = 0.55})), (Ids{1, 3}));
  EXPECT_EQ(ids_of(distribution(logits, {}, {.top_k = 2, .top_p = 0.55})), (Ids{1}));
}

TEST(Sampler, PenalisesWhatTheContextHasOnce) {
  const std::vector<float> logits = {2.0f, -2.0f, 1.5f};
  const Ids context = {0, 1, 0, -3, 77};

  const auto all = distribution(logits, context, {.repetition_penalty = 2.0});

  EXPECT_NEAR(all[0].probability / all[2].probability, std::exp(1.0 - 1.5), 1e-9);
  EXPECT_NEAR(all[1].probability / all[2].probability, std::exp(-4.0 - 1.5), 1e-9);
  EXPECT_EQ(ids_of(distribution(logits, context, {.temperature = 0.0, .repetition_penalty = 2.0})),
            (Ids{2}));
}

TEST(Sampler, NeverTakesATokenOfNoProbability) {
  const std::vector<float> logits = {nothing, 0.0f, nothing};

  EXPECT_EQ(ids_of(distribution(logits, {}, {})), (Ids{1}));
}

TEST(Sampler, RefusesLogitsThatAreNotNumbers) {
  const std::vector<float> broken = {0.0f, std::nanf("")}, empty = {nothing, nothing};

  test::expect_error(ExitCode::numerics, "not numbers", [&] { distribution(broken, {}, {}); });
  test::expect_error(ExitCode::numerics, "no finite", [&] { distribution(empty, {}, {}); });
}

TEST(Sampler, PicksByTheCumulativeDistribution) {
  const std::vector<Candidate> candidates = {{3, 0.25}, {5, 0.5}, {9, 0.25}};

  EXPECT_EQ(pick(candidates, 0.0), 3);
  EXPECT_EQ(pick(candidates, 0.2499), 3);
  EXPECT_EQ(pick(candidates, 0.25), 5);
  EXPECT_EQ(pick(candidates, 0.7499), 5);
  EXPECT_EQ(pick(candidates, 0.75), 9);
  EXPECT_EQ(pick(candidates, 0x1.fffffffffffffp-1), 9);
}

TEST(Sampler, DrawsTheSameWithTheSameSeedOnly) {
  const std::vector<float> logits(1000, 0.0f);
  const auto draw = [&](std::uint64_t seed) {
    Sampler sampler({}, seed);
    Ids ids;
    for (int count = 0; count < 20; ++count) ids.push_back(sampler.next(logits, {}));
    return ids;
  };

  EXPECT_EQ(draw(7), draw(7));
  EXPECT_NE(draw(7), draw(8));
}

TEST(Sampler, DrawsAsOftenAsTheProbabilitiesSay) {
  const std::vector<float> logits = logits_of({0.5, 0.0, 0.3, 0.2});
  Sampler sampler({}, 1);
  std::vector<int> counts(4, 0);
  constexpr int draws = 20000;
  for (int draw = 0; draw < draws; ++draw)
    ++counts[static_cast<std::size_t>(sampler.next(logits, {}))];

  // Five standard deviations.
  for (const auto& [id, p] : {std::pair<std::size_t, double>{0, 0.5}, {2, 0.3}, {3, 0.2}})
    EXPECT_NEAR(counts[id], draws * p, 5 * std::sqrt(draws * p * (1 - p)));
  EXPECT_EQ(counts[1], 0);
}

TEST(Sampler, NamesEveryMistakeInItsOptions) {
  const auto mistakes = mistakes_in(
      {.temperature = -1, .top_k = -1, .top_p = 1.5, .min_p = -0.5, .repetition_penalty = 0}, "--");

  ASSERT_EQ(mistakes.size(), 5u);
  EXPECT_NE(mistakes[2].find("--top-p 1.5"), std::string::npos);
  EXPECT_TRUE(mistakes_in({}, "--").empty());
}

}  // namespace
}  // namespace fg::infer
