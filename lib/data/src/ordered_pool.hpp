#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace fg::data {

/// Makes parts 0 to count - 1 on `threads` threads and hands them to `take` on the calling thread
/// in order; at most a few parts a thread wait. What `make` throws is thrown here when its turn
/// comes, what `take` or `idle` throws at once; either way the threads have ended when this
/// returns. `idle` is called a few times a second, also while waiting.
template <typename Part>
class OrderedPool {
public:
  OrderedPool(std::size_t count, unsigned threads, std::function<Part(std::size_t)> make)
      : count_(count), ahead_(std::size_t{threads} * 4), make_(std::move(make)) {
    const auto wanted = static_cast<unsigned>(std::min<std::size_t>(threads, count));
    for (unsigned number = 0; number < wanted; ++number) workers_.emplace_back([this] { work(); });
  }
  OrderedPool(const OrderedPool&) = delete;
  OrderedPool& operator=(const OrderedPool&) = delete;
  ~OrderedPool() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

  void run(const std::function<void(Part)>& take, const std::function<void()>& idle) {
    for (std::size_t index = 0; index < count_; ++index) {
      std::optional<Part> part;
      while (!(part = wait_for(index))) idle();
      take(*std::move(part));
      idle();
    }
  }

private:
  struct Outcome {
    std::optional<Part> part;
    std::exception_ptr failure;
  };

  std::optional<Part> wait_for(std::size_t index) {
    std::unique_lock lock(mutex_);
    const bool there = changed_.wait_for(lock, std::chrono::milliseconds(200),
                                         [&] { return outcomes_.contains(index); });
    if (!there) return std::nullopt;
    Outcome outcome = std::move(outcomes_.extract(index).mapped());
    taken_ = index + 1;
    changed_.notify_all();
    if (outcome.failure) std::rethrow_exception(outcome.failure);
    return std::move(outcome.part);
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stopped_ || next_ >= count_ || next_ < taken_ + ahead_; });
      if (stopped_ || next_ >= count_) return;
      const std::size_t index = next_++;
      lock.unlock();
      Outcome outcome;
      try {
        outcome.part.emplace(make_(index));
      } catch (...) {
        outcome.failure = std::current_exception();
      }
      lock.lock();
      outcomes_.emplace(index, std::move(outcome));
      changed_.notify_all();
    }
  }

  std::size_t count_, ahead_;
  std::function<Part(std::size_t)> make_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t next_ = 0, taken_ = 0;
  bool stopped_ = false;
  std::map<std::size_t, Outcome> outcomes_;
  std::vector<std::jthread> workers_;  // last: joined before the rest goes
};

}  // namespace fg::data
