#include "watch.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <utility>

#include <unistd.h>

#include "../transport.hpp"

namespace fg::comm {
namespace {

constexpr auto period = std::chrono::milliseconds(5);
constexpr double seconds_to_abort = 10;

}  // namespace

Watch& Watch::of_process() {
  static Watch& watch = *new Watch;  // other threads may ask while the process ends
  return watch;
}

void Watch::add(std::shared_ptr<Link> link) {
  const std::lock_guard one_at_a_time(coming_and_going_);
  {
    const std::lock_guard lock(mutex_);
    if (links_.empty()) failure_.reset();
    links_.push_back(std::move(link));
    is_ending_ = false;
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void Watch::remove(const Link& link) {
  const std::lock_guard one_at_a_time(coming_and_going_);
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(links_, [&](const auto& each) { return each.get() == &link; });
    is_ending_ = links_.empty();
    if (!is_ending_) return;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Watch::has_failed() const {
  const std::lock_guard lock(mutex_);
  return failure_.has_value();
}

void Watch::rethrow() const {
  const std::lock_guard lock(mutex_);
  if (failure_) throw *failure_;
}

void Watch::run() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, period, [&] { return is_ending_; })) {
    const std::vector<std::shared_ptr<Link>> links = links_;
    lock.unlock();
    for (const auto& link : links) look_at(*link);
    lock.lock();
  }
}

void Watch::look_at(Link& link) {
  try {
    if (const auto sentence = link.look()) end_stalled(link, *sentence);
  } catch (const Error& error) {
    if (note(error)) abort_all();
  } catch (const std::exception& error) {
    const std::string text = error.what();
    if (note(Error(ExitCode::rank_lost, "the GPU failed: " + text.substr(0, text.find('\n')))))
      abort_all();
  }
}

/// True for the first one.
bool Watch::note(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (failure_) return false;
  failure_ = error;
  return true;
}

void Watch::end_stalled(const Link& link, const std::string& sentence) {
  if (!note(Error(ExitCode::hang, sentence))) return;
  const auto& on_stall = link.shared().options.on_stall;
  if (on_stall) {
    on_stall(sentence);
    abort_all();
    return;
  }
  std::fprintf(stderr, "%s\n", sentence.c_str());
  abort_all();
  ::_exit(static_cast<int>(ExitCode::hang));
}

void Watch::abort_all() noexcept {
  try {
    std::vector<std::shared_ptr<Link>> links;
    {
      const std::lock_guard lock(mutex_);
      links = links_;
      if (!failure_ && !links.empty())
        failure_ = Error(ExitCode::rank_lost, "NCCL's communicators were aborted");
    }
    ends_within(seconds_to_abort, [links] {
      std::vector<std::thread> threads;
      for (const auto& link : links) threads.emplace_back([link] { link->abort(); });
      for (std::thread& thread : threads) thread.join();
    });
  } catch (...) {  // no thread or no memory to be had: then the process ends without this
  }
}

void abort_nccl() {
  Watch::of_process().abort_all();
}

}  // namespace fg::comm
