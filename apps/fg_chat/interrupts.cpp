#include "interrupts.hpp"

#include <csignal>

#include <unistd.h>

#include <fg/base/error.hpp>

namespace fg::chat {
namespace {

volatile std::sig_atomic_t pending = 0;

extern "C" void note_interrupt(int) {
  if (pending != 0) ::_exit(static_cast<int>(ExitCode::interrupted));
  pending = 1;
}

}  // namespace

void watch_interrupts() {
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
}

bool interrupt_pending() noexcept {
  return pending != 0;
}

bool take_interrupt() noexcept {
  const bool was_pending = pending != 0;
  pending = 0;
  return was_pending;
}

}  // namespace fg::chat
