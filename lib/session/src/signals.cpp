#include <csignal>

#include <unistd.h>

#include <fg/session/signals.hpp>

namespace fg::session {
namespace {

volatile std::sig_atomic_t received = 0;

extern "C" void note_signal(int number) {
  if (number == SIGINT && received == SIGINT) ::_exit(static_cast<int>(ExitCode::interrupted));
  if (received == 0) received = number;
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
