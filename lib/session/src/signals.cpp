#include <csignal>

#include <unistd.h>

#include <fg/session/signals.hpp>

namespace fg::session {
namespace {

volatile std::sig_atomic_t received = 0;
volatile std::sig_atomic_t requeue_received = 0;
volatile std::sig_atomic_t save_received = 0;

extern "C" void note_signal(int number) {
  if (number == SIGINT && received == SIGINT) ::_exit(static_cast<int>(ExitCode::interrupted));
  if (received == 0) received = number;
}

extern "C" void note_save_signal(int number) {
  (number == SIGUSR1 ? requeue_received : save_received) = 1;
}

}  // namespace

void watch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  ::sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

void watch_save_signals() {
  struct sigaction action {};
  action.sa_handler = note_save_signal;
  ::sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGUSR1, &action, nullptr);
  ::sigaction(SIGUSR2, &action, nullptr);
}

bool requeue_requested() noexcept {
  return requeue_received != 0;
}

bool take_save_request() noexcept {
  if (save_received == 0) return false;
  save_received = 0;
  return true;
}

std::optional<ExitCode> stop_requested() noexcept {
  if (received == 0) return std::nullopt;
  return received == SIGINT ? ExitCode::interrupted : ExitCode::terminated;
}

void check_for_stop() {
  const auto code = stop_requested();
  if (code == ExitCode::interrupted) fail(*code, "interrupted (SIGINT); nothing was left behind");
  if (code == ExitCode::terminated) fail(*code, "terminated (SIGTERM); nothing was left behind");
}

}  // namespace fg::session
