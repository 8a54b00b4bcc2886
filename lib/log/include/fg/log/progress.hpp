#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace fg::log {

enum class Amount { bytes, steps };

/// How far a job is. On a terminal a bar, redrawn at most ten times a second, that stays below the
/// lines of the log; in a log, for bytes, a plain line every 30 seconds and one at the end (steps
/// have lines of their own). One at a time, one thread.
class Progress {
public:
  /// `already`: done before this job began (a resumed run); takes no part in the rate.
  Progress(std::string what, std::uint64_t total, Amount amount = Amount::bytes,
           std::uint64_t already = 0);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(std::uint64_t count);
  /// The last word: amount, time and rate. Not called: the job was cut, and the bar's line is ended
  /// by the destructor.
  void finish();
  ~Progress();

  /// "writing 1.50 GiB of 3.00 GiB (50 %), 512.00 MiB/s, 3 s left";
  /// "training 120 of 1,000 steps (12 %), 3.21 steps/s, 4 min 34 s left"
  std::string line() const;

private:
  using Clock = std::chrono::steady_clock;
  double seconds() const;
  void draw();
  std::string amount_text(std::uint64_t count) const;
  std::string rate_text(double per_second) const;

  std::string what_;
  std::uint64_t total_;
  Amount amount_;
  std::uint64_t already_;
  std::uint64_t done_;
  bool draws_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point last_ = begin_;
};

}  // namespace fg::log
