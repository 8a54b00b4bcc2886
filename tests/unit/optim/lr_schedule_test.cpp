#include <cmath>

#include <gtest/gtest.h>

#include <fg/base/error.hpp>
#include <fg/optim/lr_schedule.hpp>
#include <fg/optim/schedule_json.hpp>
#include <fg/optim/token_budget.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::optim {
namespace {

using test::expect_error;

constexpr double lr = 1e-3;

ScheduleOptions of(ScheduleType type, std::uint64_t warmup = 0) {
  ScheduleOptions options;
  options.type = type;
  options.warmup = {warmup};
  return options;
}

LrSchedule schedule(const ScheduleOptions& options, std::uint64_t run_steps = 100) {
  return {options, lr, 1000, run_steps};
}

TEST(LrSchedule, WarmsUpFromZeroInAStraightLine) {
  for (const ScheduleType type :
       {ScheduleType::constant, ScheduleType::linear, ScheduleType::cosine, ScheduleType::wsd}) {
    const LrSchedule curve = schedule(of(type, 10));
    for (std::uint64_t step = 0; step <= 10; ++step)
      EXPECT_DOUBLE_EQ(curve.lr(step), lr * static_cast<double>(step) / 10);
  }
  EXPECT_EQ(schedule(of(ScheduleType::constant)).lr(0), lr);
}

TEST(LrSchedule, LinearAndCosineEndAtTheirFloorAndStayThere) {
  for (const ScheduleType type : {ScheduleType::linear, ScheduleType::cosine}) {
    ScheduleOptions options = of(type, 20);
    options.min_lr_ratio = 0.1;
    const LrSchedule curve = schedule(options);
    EXPECT_DOUBLE_EQ(curve.lr(20), lr);
    EXPECT_NEAR(curve.lr(60), lr * 0.55, 1e-18);
    for (const std::uint64_t step : {100, 101, 140, 180, 1000000})
      EXPECT_NEAR(curve.lr(step), lr * 0.1, 1e-18) << step;
  }
  EXPECT_EQ(schedule(of(ScheduleType::linear)).lr(100), 0);
}

TEST(LrSchedule, CosineIsTheClosedForm) {
  ScheduleOptions options = of(ScheduleType::cosine, 10);
  options.min_lr = 1e-5;
  const LrSchedule curve = schedule(options);
  for (std::uint64_t step = 10; step <= 100; ++step) {
    const double share = static_cast<double>(step - 10) / 90;
    EXPECT_NEAR(curve.lr(step), 1e-5 + (lr - 1e-5) * (1 + std::cos(M_PI * share)) / 2, 1e-17);
  }
}

TEST(LrSchedule, WsdHoldsThenDecaysHarmonically) {
  ScheduleOptions options = of(ScheduleType::wsd, 10);
  options.decay = {40};
  options.min_lr = 1e-5;
  const LrSchedule curve = schedule(options);  // decay starts at 100 - 40
  EXPECT_EQ(curve.lr(60), lr);
  for (const std::uint64_t step : {61, 80, 99}) {
    const double share = static_cast<double>(step - 60) / 40;
    EXPECT_NEAR(curve.lr(step), 1 / (share / 1e-5 + (1 - share) / lr), 1e-17);
  }
  EXPECT_NEAR(curve.lr(100), 1e-5, 1e-18);
  EXPECT_NEAR(curve.lr(5000), 1e-5, 1e-18);

  options.decay_start = Duration{30};
  EXPECT_EQ(schedule(options).lr(30), lr);
  EXPECT_NEAR(schedule(options).lr(70), 1e-5, 1e-18);
  options.decay = {0};
  options.decay_start.reset();
  EXPECT_EQ(schedule(options).lr(1000000), lr);  // never
}

TEST(LrSchedule, InfiniteCoolsDownHoldsAndAnneals) {
  ScheduleOptions options = of(ScheduleType::infinite, 10);
  options.cooldown = {20};
  options.constant_lr = 2e-4;
  options.min_lr = 1e-6;
  options.tau = 50;
  EXPECT_DOUBLE_EQ(schedule(options).lr(5), lr / 2);
  EXPECT_NEAR(schedule(options).lr(20), (lr + 2e-4) / 2, 1e-18);
  EXPECT_DOUBLE_EQ(schedule(options).lr(30), 2e-4);
  EXPECT_DOUBLE_EQ(schedule(options).lr(99999), 2e-4);

  options.decay_start = Duration{60};
  EXPECT_DOUBLE_EQ(schedule(options).lr(60), 2e-4);
  EXPECT_NEAR(schedule(options).lr(110), 1e-6 + (2e-4 - 1e-6) * std::exp(-1.0), 1e-18);

  options.annealing = Annealing::rsqrt;
  options.decay = {40};
  EXPECT_NEAR(schedule(options).lr(80), 1 / (0.5 / 1e-6 + 0.5 / 2e-4), 1e-18);
  EXPECT_NEAR(schedule(options).lr(500), 1e-6, 1e-18);

  options.cooldown = {0};
  EXPECT_DOUBLE_EQ(schedule(options).lr(5), 1e-4);  // half of constant_lr
}

TEST(LrSchedule, DurationsMayBeInTokens) {
  ScheduleOptions options = of(ScheduleType::constant);
  options.warmup = {10'900, Duration::Unit::tokens};  // 10 whole steps of 1000
  EXPECT_DOUBLE_EQ(schedule(options).lr(5), lr / 2);
  EXPECT_EQ(schedule(options).lr(10), lr);
}

// A checkpoint keeps what `resolved` gives: a longer run or another batch size does not move it.
TEST(LrSchedule, AResolvedScheduleNeedsTheRunNoMore) {
  ScheduleOptions options = of(ScheduleType::wsd);
  options.warmup = {10'900, Duration::Unit::tokens};
  options.decay = {40'000, Duration::Unit::tokens};
  options.min_lr = 1e-5;
  const ScheduleOptions kept = resolved(options, 1000, 100);
  EXPECT_EQ(kept.warmup, Duration{10});
  EXPECT_EQ(kept.total, Duration{100});
  EXPECT_EQ(kept.decay_start, Duration{60});
  EXPECT_EQ(resolved(kept, 7, 5000), kept);
  const LrSchedule before(options, lr, 1000, 100);
  const LrSchedule after(kept, lr, 7, 5000);
  for (std::uint64_t step = 0; step < 120; ++step) EXPECT_EQ(before.lr(step), after.lr(step));
  // Of a run that is all decay, the decay starts after the warm-up.
  options.decay = {1'000'000, Duration::Unit::tokens};
  EXPECT_EQ(resolved(options, 1000, 100).decay_start, Duration{10});
  EXPECT_FALSE(resolved(of(ScheduleType::infinite), 1000, 100).decay_start.has_value());
}

TEST(ScheduleJson, GivesBackWhatWasWritten) {
  ScheduleOptions options = of(ScheduleType::infinite, 10);
  EXPECT_EQ(schedule_from_json(to_json(options), "lr_schedule"), options);
  options.total = Duration{56'000'000, Duration::Unit::tokens};
  options.min_lr = 1e-6;
  options.min_lr_ratio = 0.25;
  options.decay = {3};
  options.decay_start = Duration{4};
  options.cooldown = {5, Duration::Unit::tokens};
  options.constant_lr = 0.1;
  options.annealing = Annealing::rsqrt;
  options.tau = 17;
  EXPECT_EQ(schedule_from_json(parse_json(to_json(options).dump(), "text"), "x"), options);
  const Json written = {{"type", "cosine"}, {"warmup", 1e3}, {"total", {{"tokens", 560}}}};
  const ScheduleOptions read = schedule_from_json(written, "x");
  EXPECT_EQ(read.warmup, Duration{1000});
  EXPECT_EQ(read.total, (Duration{560, Duration::Unit::tokens}));
}

TEST(ScheduleJson, EveryMistakeIsListed) {
  const Json wrong = {{"type", "cosin"},  {"warmpu", 3},     {"warmup", -1},
                      {"total", 1.5},     {"decay", "long"}, {"cooldown", {{"tokens", "many"}}},
                      {"min_lr", "small"}};
  expect_error(ExitCode::usage,
               {"lr_schedule: type is \"cosin\", but must be one of constant, linear, cosine, wsd",
                "did you mean 'cosine'?", "no option 'warmpu'; did you mean 'warmup'?",
                "warmup is -1, but must be a whole number of steps, or {tokens: N}", "total is 1.5",
                "decay is \"long\"", "cooldown is {", "min_lr is \"small\", but must be a number"},
               [&] { schedule_from_json(wrong, "lr_schedule"); });
  expect_error(ExitCode::usage, {"not a map"}, [] { schedule_from_json(Json(3), "lr_schedule"); });
}

TEST(LrSchedule, ARunShorterThanItsWarmupIsFine) {
  const LrSchedule curve = schedule(of(ScheduleType::cosine, 10), 5);
  EXPECT_DOUBLE_EQ(curve.lr(4), lr * 0.4);
  EXPECT_NEAR(curve.lr(10), 0, 1e-18);
}

TEST(LrSchedule, WrongNumbersAreNamedTogether) {
  ScheduleOptions options = of(ScheduleType::infinite);
  options.min_lr = 1.0;
  options.constant_lr = 0;
  options.tau = -1;
  expect_error(ExitCode::usage, {"min_lr", "constant_lr", "tau"}, [&] { validate(options, lr); });
  ScheduleOptions early = of(ScheduleType::wsd, 10);
  early.decay_start = Duration{5};
  expect_error(ExitCode::usage, {"decay is 0", "warm-up"}, [&] { validate(early, lr); });
  ScheduleOptions zero = of(ScheduleType::wsd);
  zero.min_lr = 0;
  expect_error(ExitCode::usage, {"above 0"}, [&] { validate(zero, lr); });
}

TEST(TokenBudget, IsTheTutorialsArithmetic) {
  const TokenBudget budget;  // 512 x 32 x 0.95
  EXPECT_EQ(tokens_per_step(budget), 15564u);
  EXPECT_EQ(steps_in(560'000'000, tokens_per_step(budget)), 35980u);
  EXPECT_NEAR(scaled_lr(budget, 3e-4), 3e-4 * std::sqrt(15564.0 / 16384), 1e-18);
  EXPECT_EQ(tokens_per_step({.seq_len = 1, .global_batch = 1}), 1u);
  expect_error(ExitCode::usage, {"batch_density"},
               [] { validate(TokenBudget{.batch_density = 1.5}); });
}

TEST(TokenBudget, EndsARunByTheFewerSteps) {
  EXPECT_EQ(most_steps({}, {}, 100), std::nullopt);
  EXPECT_EQ(most_steps(7, {}, 100), 7u);
  EXPECT_EQ(most_steps({}, 999, 100), 9u);
  EXPECT_EQ(most_steps({}, 99, 100), 1u);
  EXPECT_EQ(most_steps(7, 999, 100), 7u);
  EXPECT_EQ(most_steps(11, 999, 100), 9u);
}

}  // namespace
}  // namespace fg::optim
