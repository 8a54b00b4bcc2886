#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include <c10/core/Device.h>

namespace fg::device {

/// Measures the work of a device between marks, without waiting for it while it is queued.
class Timer {
public:
  explicit Timer(c10::Device device) : device_(device) {}

  /// The moment at which all work queued so far (on a GPU: on its current stream) is done.
  void mark();
  /// Seconds between neighbouring marks. Waits for the last one, and counts that as a wait.
  std::vector<double> seconds() const;

private:
  c10::Device device_;
  std::vector<std::shared_ptr<void>> events_;                   // of a GPU
  std::vector<std::chrono::steady_clock::time_point> moments_;  // of the CPU
};

/// Measures stretches of a device's work, each from `begin` to `end`, without waiting for it.
class Laps {
public:
  explicit Laps(c10::Device device) : device_(device) {}

  void begin();
  void end();
  /// Of all stretches together. On a GPU the host must have seen a result that was queued behind
  /// them (a Readback): then they are over, and nothing is waited for.
  double seconds() const;

private:
  using Moment = std::chrono::steady_clock::time_point;
  c10::Device device_;
  std::vector<std::shared_ptr<void>> events_;  // of a GPU: begin, end, begin, …
  Moment begun_;
  double seconds_ = 0;  // of the CPU
};

}  // namespace fg::device
