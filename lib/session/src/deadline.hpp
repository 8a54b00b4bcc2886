#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace fg::session {

/// A thread that no signal is delivered to: those are for the main thread.
std::thread start_without_signals(std::function<void()> run);

/// A call that waits for other ranks without end of its own (MPI_Init, MPI_Finalize): if this still
/// lives after `seconds`, standard error gets `text` and the process ends with exit code 7. What
/// launched the job ends the others then. Infinity: never. Time in which the process stands still
/// does not count.
class Deadline {
public:
  Deadline(double seconds, std::string text);
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline();

private:
  void watch(double seconds, const std::string& text);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool met_ = false;
  std::thread thread_;  // last: uses the rest
};

/// Seconds that MPI_Init may take: $FG_START_TIMEOUT ("inf": without end), else 600. Error(usage)
/// if that is no number above 0.
double start_timeout();

}  // namespace fg::session
