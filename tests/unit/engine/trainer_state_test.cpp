#include <gtest/gtest.h>

#include <fg/engine/trainer_state.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::engine {
namespace {

TrainerState eventful_state() {
  TrainerState state;
  state.step = 7;
  state.cursor = {2, 12};
  state.tokens = 1'000'000'007;
  state.trained_tokens = 900'000'001;
  state.interval = {.loss_sum = 0.1 + 0.2, .work = {11, 5, 33.5}, .steps = 3};
  state.last_norm = 1.0 / 3.0;
  state.guard.losses = {2.5, 0.1, 1e-300};
  state.guard.skipped = {3, 4};
  state.guard.rollback_step = 5;
  state.guard.rollbacks = 2;
  state.best_loss = 0.7;
  state.best_step = 6;
  state.evaluations_without_gain = 1;
  return state;
}

TrainerState through_text(const TrainerState& state) {
  const std::string text = to_json(state).dump();
  return parse_trainer_state({parse_json(text, "trainer.json"), "trainer.json"});
}

TEST(TrainerState, SurvivesACheckpointToTheBit) {
  const TrainerState before = eventful_state();

  EXPECT_EQ(to_json(through_text(before)).dump(), to_json(before).dump());
  EXPECT_EQ(through_text(before).interval.loss_sum, before.interval.loss_sum);
  EXPECT_EQ(through_text(before).guard.losses, before.guard.losses);
}

TEST(TrainerState, KeepsWhatIsNotKnownUnknown) {
  const TrainerState before;

  EXPECT_EQ(through_text(before).last_norm, std::nullopt);
  EXPECT_EQ(through_text(before).best_loss, std::nullopt);
}

TEST(TrainerState, NamesWhatADamagedFileLacks) {
  Json json = to_json(eventful_state());
  json["cursor"].erase("row");

  test::expect_error(ExitCode::cannot_load, "row", [&] {
    parse_trainer_state({json, "trainer.json"});
  });
}

TEST(TrainerState, WeighsEveryTokenOfAnIntervalAlike) {
  Interval interval;
  EXPECT_EQ(interval.mean_loss(), 0.0);

  interval = {.loss_sum = 12, .work = {.tokens = 100, .trained = 8}, .steps = 2};
  EXPECT_EQ(interval.mean_loss(), 1.5);
}

}  // namespace
}  // namespace fg::engine
