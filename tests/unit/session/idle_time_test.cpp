#include <chrono>

#include <gtest/gtest.h>

#include <fg/session/idle_time.hpp>

namespace fg::session {
namespace {

using namespace std::chrono_literals;

TEST(IdleTime, AddsWhatPassesBetweenLooks) {
  const IdleTime::Clock::time_point begin;
  IdleTime idle(begin);

  for (int look = 1; look <= 50; ++look)
    EXPECT_NEAR(idle.seconds(begin + look * 100ms), 0.1 * look, 1e-9);
}

TEST(IdleTime, BeginsAgainWithAMove) {
  const IdleTime::Clock::time_point begin;
  IdleTime idle(begin);
  idle.seconds(begin + 200ms);
  idle.moved(begin + 300ms);

  EXPECT_NEAR(idle.seconds(begin + 350ms), 0.05, 1e-9);
}

TEST(IdleTime, LeavesOutTheTimeInWhichTheJobStoodStill) {
  const IdleTime::Clock::time_point begin;
  IdleTime idle(begin);
  idle.seconds(begin + 100ms);

  EXPECT_LT(idle.seconds(begin + 2h), 0.5);
  EXPECT_LT(idle.seconds(begin + 2h + 100ms), 0.6);
}

}  // namespace
}  // namespace fg::session
