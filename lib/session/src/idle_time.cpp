#include "fg/session/idle_time.hpp"

#include <algorithm>

#include <fg/base/failpoint.hpp>

namespace fg::session {
namespace {

constexpr double most_between_looks_s = 0.25;

}  // namespace

double IdleTime::seconds(Clock::time_point now) noexcept {
  static const bool counts_all = fault_planted("session.stillness_counts");
  const std::chrono::duration<double> passed = now - last_look_;
  last_look_ = now;
  seconds_ += counts_all ? passed.count() : std::min(passed.count(), most_between_looks_s);
  return seconds_;
}

}  // namespace fg::session
