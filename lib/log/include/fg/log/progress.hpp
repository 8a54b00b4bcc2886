#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace fg::log {

/// How far a job is: a bar on a terminal, redrawn at most ten times a second; in a log a plain line
/// every 30 seconds and one at the end. Amounts are bytes. One thread.
class Progress {
public:
  Progress(std::string what, std::uint64_t total_bytes);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(std::uint64_t bytes);
  /// The last word: amount, time and rate. Not called: the job was cut, and the bar's line is ended
  /// by the destructor.
  void finish();
  ~Progress();

  /// "writing 1.50 GiB of 3.00 GiB (50 %), 512.00 MiB/s, 3 s left"
  std::string line() const;

private:
  using Clock = std::chrono::steady_clock;
  double seconds() const;

  std::string what_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  bool draws_;
  bool drawn_ = false;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point last_ = begin_;
};

}  // namespace fg::log
