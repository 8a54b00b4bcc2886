#pragma once

namespace fg::chat {

/// From here on Ctrl-C (SIGINT) is noted instead of ending the program. A second one before the
/// first was taken ends it at once with 130: whatever runs does not listen.
void watch_interrupts();

/// True if one has come. Any thread.
bool interrupt_pending() noexcept;

/// True if one has come; then it has been taken.
bool take_interrupt() noexcept;

}  // namespace fg::chat
