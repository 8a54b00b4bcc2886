#pragma once

#include <chrono>
#include <thread>

namespace fg::session {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Between two looks at something that has not moved for so long: meetings are short as a rule; one
/// that is not leaves the core to the ranks that are waited for.
inline void pause_after(double idle_s) {
  using std::chrono::microseconds;
  if (idle_s < 20e-6) return;
  if (idle_s < 1e-3)
    std::this_thread::yield();
  else
    std::this_thread::sleep_for(microseconds(idle_s < 0.1 ? 20 : idle_s < 10 ? 200 : 2000));
}

}  // namespace fg::session
