#include <set>

#include <gtest/gtest.h>

#include <fg/data/row.hpp>
#include <fg/engine/step_plan.hpp>

#include "../data/tiny_model.hpp"

namespace fg::engine {
namespace {

/// Seventeen short texts, one a row.
struct Trial {
  explicit Trial(std::uint64_t rows_per_step) : plan(epochs, rows_per_step) {}

  test::PreparedText text{
      test::lines_of_lengths({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17})};
  data::EpochPlans epochs{text.set(), {.seq_len = 4096, .pack = false}, 5, true};
  StepPlan plan;
};

TEST(StepPlan, SeesEveryRowOfAnEpochExactlyOnce) {
  Trial trial(4);
  std::set<std::uint64_t> seen;
  Cursor cursor;
  std::uint64_t steps = 0;
  while (cursor.epoch == 0) {
    const StepRows rows = trial.plan.at(cursor);
    for (std::uint64_t row = rows.first; row < rows.first + rows.rows; ++row)
      EXPECT_TRUE(seen.insert(row).second);
    cursor = rows.next;
    ++steps;
  }

  EXPECT_EQ(seen.size(), 17u);
  EXPECT_EQ(steps, 5u);
  EXPECT_EQ(cursor, (Cursor{1, 0}));
}

TEST(StepPlan, GivesTheLastStepOfAnEpochTheRowsThatAreLeft) {
  Trial trial(4);

  const StepRows last = trial.plan.at({3, 16});
  EXPECT_EQ(last.rows, 1u);
  EXPECT_EQ(last.next, (Cursor{4, 0}));
}

TEST(StepPlan, KnowsTheTrainedTokensOfAStepBeforeItIsFetched) {
  Trial trial(4);
  const StepRows step = trial.plan.at({2, 4});
  const auto epoch = trial.epochs.at(2);
  std::int64_t trained = 0;
  for (std::uint64_t row = 4; row < 8; ++row)
    trained += data::make_row(trial.epochs.set(), *epoch, row).trained;

  EXPECT_EQ(step.trained, trained);
  EXPECT_GT(trained, 0);
}

TEST(StepPlan, CountsTheStepsOfWholeAndBrokenEpochs) {
  Trial trial(4);

  EXPECT_EQ(trial.plan.total_steps({.epochs = 3, .max_steps = {}}), 15u);
  EXPECT_EQ(trial.plan.total_steps({.epochs = 0.5, .max_steps = {}}), 3u);
  EXPECT_EQ(trial.plan.total_steps({.epochs = 2.2, .max_steps = {}}), 11u);
  EXPECT_EQ(trial.plan.total_steps({.epochs = 1e9, .max_steps = 12}), 12u);
}

TEST(StepPlan, TellsHowManyEpochsAreDone) {
  Trial trial(4);

  EXPECT_EQ(trial.plan.epochs_at({2, 0}), 2.0);
  EXPECT_EQ(trial.plan.epochs_at({1, 8}), 1.0 + 8.0 / 17.0);
}

}  // namespace
}  // namespace fg::engine
