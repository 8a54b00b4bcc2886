#include <algorithm>
#include <map>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include <fg/data/epoch_plan.hpp>
#include <fg/test/expect_error.hpp>

#include "tiny_model.hpp"

namespace fg::data {
namespace {

std::vector<std::size_t> random_lengths(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::size_t> lengths(count);
  for (std::size_t& length : lengths) length = 1 + random() % 60;
  return lengths;
}

/// Of 300 texts, made once.
const TokenSet& many() {
  static const test::PreparedText prepared(test::lines_of_lengths(random_lengths(300, 1)));
  return prepared.set();
}

std::vector<std::vector<std::uint32_t>> rows_of(const EpochPlan& plan) {
  std::vector<std::vector<std::uint32_t>> rows;
  for (std::size_t row = 0; row < plan.rows(); ++row) {
    const auto documents = plan.documents(row);
    rows.emplace_back(documents.begin(), documents.end());
  }
  return rows;
}

/// How often each document comes.
std::map<std::uint32_t, int> uses_of(const EpochPlan& plan) {
  std::map<std::uint32_t, int> uses;
  for (const auto& row : rows_of(plan))
    for (const std::uint32_t document : row) ++uses[document];
  return uses;
}

TEST(EpochPlan, KeepsEveryDocumentExactlyOnce) {
  for (const bool pack : {true, false})
    for (const bool shuffle : {true, false})
      for (const std::uint64_t epoch : {0, 1, 7}) {
        const EpochPlan plan(many(), {.seq_len = 64, .pack = pack}, 42, epoch, shuffle);
        const auto uses = uses_of(plan);
        EXPECT_EQ(uses.size(), many().size());
        for (const auto& [document, count] : uses) EXPECT_EQ(count, 1) << document;
        EXPECT_EQ(plan.trained_tokens(), static_cast<std::int64_t>(many().counts().trained_tokens));
        EXPECT_EQ(plan.tokens(), static_cast<std::int64_t>(many().counts().tokens));
        if (!pack) {
          EXPECT_EQ(plan.rows(), many().size());
        }
      }
}

TEST(EpochPlan, MakesNoRowLongerThanAllowedAndCountsItsTokens) {
  const EpochPlan plan(many(), {.seq_len = 64}, 1, 0, true);
  double filled = 0;
  for (std::size_t row = 0; row < plan.rows(); ++row) {
    std::int64_t tokens = 0, trained = 0;
    for (const std::uint32_t document : plan.documents(row)) {
      tokens += many().length(document);
      trained += many().trained_tokens(document);
    }
    EXPECT_LE(tokens, 64);
    EXPECT_EQ(plan.tokens(row), tokens);
    EXPECT_EQ(plan.trained_tokens(row), trained);
    filled += static_cast<double>(tokens);
  }
  EXPECT_DOUBLE_EQ(plan.density(), filled / (64.0 * static_cast<double>(plan.rows())));
  EXPECT_GT(plan.density(), 0.95);
}

TEST(EpochPlan, IsAPureFunctionOfSeedAndEpoch) {
  const auto rows = [](std::uint64_t seed, std::uint64_t epoch, bool shuffle) {
    return rows_of(EpochPlan(many(), {.seq_len = 64}, seed, epoch, shuffle));
  };
  EXPECT_EQ(rows(5, 3, true), rows(5, 3, true));
  EXPECT_NE(rows(5, 3, true), rows(6, 3, true));
  EXPECT_EQ(rows(5, 3, false), rows(6, 4, false));
}

TEST(EpochPlan, ReshufflesEachEpoch) {
  for (const bool pack : {true, false}) {
    const EpochPlan first(many(), {.seq_len = 64, .pack = pack}, 5, 0, true);
    const EpochPlan second(many(), {.seq_len = 64, .pack = pack}, 5, 1, true);
    EXPECT_NE(rows_of(first), rows_of(second));
    // The rows too are others, not only their order.
    auto a = rows_of(first), b = rows_of(second);
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    EXPECT_EQ(a == b, !pack);
  }
}

TEST(EpochPlan, KeepsTheOrderOfTheDataWithoutShuffling) {
  const EpochPlan plan(many(), {.seq_len = 64, .pack = false}, 5, 2, false);
  for (std::uint32_t row = 0; row < plan.rows(); ++row) EXPECT_EQ(plan.documents(row)[0], row);
}

TEST(EpochPlan, RefusesRowsThatAreTooShort) {
  test::expect_error(ExitCode::usage, "tokens, a row only 10",
                     [] { EpochPlan(many(), {.seq_len = 10}, 1, 0, true); });
}

TEST(EpochPlan, DrawsFromSourcesByTheirWeights) {
  const test::TinyModel model;
  const test::TemporaryFolder folder;
  write_synced(folder / "a.jsonl", test::lines_of_lengths({3, 4, 5, 6}));
  write_synced(folder / "b.jsonl", test::lines_of_lengths({7, 8, 9, 10, 11}));
  Options options;
  options.sources = {{.path = folder / "a.jsonl", .weight = 2, .format = {}, .split = {}},
                     {.path = folder / "b.jsonl", .weight = 0.4, .format = {}, .split = {}}};
  options.cache_folder = folder / "cache";
  options.show_progress = false;
  const TokenSet set = prepare(options, model.encoder());

  std::map<std::uint32_t, int> sums;
  for (std::uint64_t epoch = 0; epoch < 5; ++epoch) {
    const auto uses = uses_of(EpochPlan(set, {.seq_len = 32}, 9, epoch, true));
    EXPECT_EQ(uses.size(), 4u + 2u);
    for (const auto& [document, count] : uses) sums[document] += count;
  }
  for (const auto& [document, count] : sums) EXPECT_EQ(count, document < 4 ? 10 : 2) << document;
  EXPECT_EQ(sums.size(), 9u);
}

TEST(EpochPlans, KeepsTheLastTwo) {
  EpochPlans plans(many(), {.seq_len = 64}, 5, true);
  const auto first = plans.at(0);
  EXPECT_EQ(plans.at(0), first);
  const auto second = plans.at(1);
  EXPECT_EQ(plans.at(0), first);
  plans.at(2);
  EXPECT_EQ(plans.at(1), second);
  EXPECT_NE(plans.at(0), first);
  EXPECT_EQ(rows_of(*plans.at(0)), rows_of(*first));
}

}  // namespace
}  // namespace fg::data
