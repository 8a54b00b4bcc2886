#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>

namespace fg::comm {

/// The one wire of Options::simulate_bytes_per_second over which all that a rank sends leaves it.
class SimulatedWire {
public:
  using Clock = std::chrono::steady_clock;

  /// 0: there is none.
  explicit SimulatedWire(double bytes_per_second) : rate_(bytes_per_second) {}

  /// When a message that is handed over now has wholly arrived. Any thread.
  Clock::time_point carry(std::uint64_t bytes) {
    if (rate_ <= 0) return {};
    const std::chrono::duration<double> taken(static_cast<double>(bytes) / rate_);
    const std::lock_guard lock(mutex_);
    is_free_ =
        std::max(is_free_, Clock::now()) + std::chrono::duration_cast<Clock::duration>(taken);
    return is_free_;
  }

private:
  double rate_;
  std::mutex mutex_;
  Clock::time_point is_free_{};
};

}  // namespace fg::comm
