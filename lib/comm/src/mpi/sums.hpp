#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "../waiting.hpp"

namespace fg::comm {

/// Sums that a thread of their own carries out, in the order in which they were begun. The thread
/// starts with the first one.
class Sums {
public:
  using Add = std::function<void(const at::Tensor& values, const Waiting& waiting)>;

  /// `add` is called by the thread.
  explicit Sums(Add add);
  Sums(const Sums&) = delete;
  Sums& operator=(const Sums&) = delete;
  ~Sums();

  std::unique_ptr<Transfer> begin(const at::Tensor& values, const Waiting& waiting);
  bool are_under_way() const;
  /// After end(): something was given up.
  bool has_failed() const noexcept { return has_failed_; }
  /// Gives up what is under way and ends the thread.
  void end() noexcept;

private:
  struct Job;
  class Begun;
  void run();
  std::exception_ptr carry_out(const Job& job) const;

  Add add_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> queue_;  // the first one is being carried out
  bool has_failed_ = false;                 // then nothing is carried out; the thread writes it
  std::atomic<bool> is_ending_{false};
  std::thread thread_;
};

}  // namespace fg::comm
