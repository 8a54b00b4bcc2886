#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <fg/base/error.hpp>
#include <fg/optim/numerics_guard.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::optim {
namespace {

using test::expect_error;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

StepReport bad(std::uint64_t step, bool kept = true, bool replayed = true) {
  return {step, nan, 1, kept, replayed};
}

TEST(NumericsGuard, LetsFiniteStepsPass) {
  NumericsGuard guard({});
  for (std::uint64_t step = 0; step < 300; ++step) {
    const Decision decision =
        guard.judge({step, 2.0 + 0.1 * std::sin(double(step)), 1, false, false});
    EXPECT_EQ(decision.action, Action::proceed);
    EXPECT_EQ(decision.message, "");
  }
  EXPECT_EQ(guard.memory().losses.size(), 200u);
}

TEST(NumericsGuard, RunsABadStepAgainOnceIfNothingHasChanged) {
  NumericsGuard guard({});
  EXPECT_EQ(guard.judge(bad(3, true, false)).action, Action::replay);
  EXPECT_EQ(guard.judge(bad(3, true, true)).action, Action::stop);
  EXPECT_EQ(guard.judge(bad(3, false, false)).action, Action::stop);
  const Decision healed = guard.judge({3, 2.0, 1.0, true, true});
  EXPECT_EQ(healed.action, Action::proceed);
  EXPECT_NE(healed.message.find("transient"), std::string::npos);
}

TEST(NumericsGuard, SeesABadNormBesideAGoodLoss) {
  NumericsGuard guard({});
  EXPECT_EQ(guard.judge({7, 2.0, INFINITY, false, false}).action, Action::stop);
}

TEST(NumericsGuard, SkipsAtMostThreeStepsInAHundred) {
  GuardOptions options;
  options.nan = NanPolicy::skip;
  NumericsGuard guard(options);
  for (const std::uint64_t step : {10u, 20u, 30u})
    EXPECT_EQ(guard.judge(bad(step)).action, Action::skip) << step;
  NumericsGuard resumed(options);
  resumed.restore(guard.memory());
  EXPECT_EQ(resumed.judge(bad(109)).action, Action::stop);
  EXPECT_EQ(guard.judge(bad(110)).action, Action::skip);  // step 10 is 100 steps ago
  EXPECT_EQ(guard.judge(bad(111)).action, Action::stop);
}

TEST(NumericsGuard, NeverSkipsWhenWeightsHaveChanged) {
  GuardOptions options;
  options.nan = NanPolicy::skip;
  NumericsGuard guard(options);
  EXPECT_EQ(guard.judge(bad(5, false)).action, Action::stop);
  expect_error(ExitCode::usage, {"skip", "kept"}, [&] { validate(options, false); });
  validate(options, true);
}

TEST(NumericsGuard, RollsBackThreeTimesForOneStep) {
  GuardOptions options;
  options.nan = NanPolicy::rollback;
  NumericsGuard guard(options);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(guard.judge(bad(50, false)).action, Action::rollback);
  EXPECT_EQ(guard.judge(bad(50, false)).action, Action::stop);
  EXPECT_EQ(guard.judge(bad(51, false)).action, Action::rollback);
}

TEST(NumericsGuard, SeesASpike) {
  for (const SpikePolicy policy : {SpikePolicy::warn, SpikePolicy::stop, SpikePolicy::rollback}) {
    GuardOptions options;
    options.spike = policy;
    NumericsGuard guard(options);
    for (std::uint64_t step = 0; step < 60; ++step)
      guard.judge({step, 2.0 + (step % 2 == 0 ? 0.1 : -0.1), 1, false, false});
    EXPECT_EQ(guard.judge({60, 2.5, 1, false, false}).message, "");  // 5 sigma
    const Decision decision = guard.judge({61, 3.0, 1, false, false});
    EXPECT_NE(decision.message.find("spike"), std::string::npos);
    const Action expected = policy == SpikePolicy::warn   ? Action::proceed
                            : policy == SpikePolicy::stop ? Action::stop
                                                          : Action::rollback;
    EXPECT_EQ(decision.action, expected);
  }
}

}  // namespace
}  // namespace fg::optim
