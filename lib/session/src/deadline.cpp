#include "deadline.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/log/log.hpp>
#include <fg/session/idle_time.hpp>

namespace fg::session {

std::thread start_without_signals(std::function<void()> run) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(run));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

Deadline::Deadline(double seconds, std::string text)
    : thread_(start_without_signals(
          [this, seconds, text = std::move(text)] { watch(seconds, text); })) {}

Deadline::~Deadline() {
  {
    const std::lock_guard lock(mutex_);
    met_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Deadline::watch(double seconds, const std::string& text) {
  constexpr double longest_slice_s = 0.1;
  std::unique_lock lock(mutex_);
  IdleTime waited;
  for (double left = seconds; left > 0; left = seconds - waited.seconds()) {
    const std::chrono::duration<double> slice(std::min(left, longest_slice_s));
    if (changed_.wait_for(lock, slice, [this] { return met_; })) return;
  }
  log::error(text);
  ::_exit(static_cast<int>(ExitCode::hang));
}

double start_timeout() {
  const char* const given = std::getenv("FG_START_TIMEOUT");
  if (given == nullptr) return 600;
  const std::string_view text = given;
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || !(seconds > 0))
    fail(ExitCode::usage, "FG_START_TIMEOUT is '" + std::string(text) +
                              "'; it takes the seconds that a start may take, more than 0");
  return seconds;
}

}  // namespace fg::session
