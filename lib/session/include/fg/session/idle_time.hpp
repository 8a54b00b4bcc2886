#pragma once

#include <chrono>

namespace fg::session {

/// How long a loop that polls has seen nothing move. Between two looks no more than a quarter of a
/// second counts: a job that stands still as a whole (suspended) does not look, so it has not
/// waited. Every wait for other ranks that has a limit measures it by this, so all of them look at
/// least ten times a second. One thread.
class IdleTime {
public:
  using Clock = std::chrono::steady_clock;

  explicit IdleTime(Clock::time_point now = Clock::now()) noexcept : last_look_(now) {}

  /// Something has moved: from 0 again.
  void moved(Clock::time_point now = Clock::now()) noexcept {
    last_look_ = now;
    seconds_ = 0;
  }

  /// A look.
  double seconds(Clock::time_point now = Clock::now()) noexcept;

private:
  Clock::time_point last_look_;
  double seconds_ = 0;
};

}  // namespace fg::session
