#pragma once

#include <optional>

#include <fg/base/error.hpp>

namespace fg::session {

/// From here on SIGINT and SIGTERM are noted instead of ending the process; a second SIGINT ends it
/// at once with 130. SIGPIPE is ignored: a closed pipe is an error of the write.
void watch_stop_signals();

/// The exit code the first stop signal asks for, if one has come. Any thread.
std::optional<ExitCode> stop_requested() noexcept;

/// From here on SIGUSR1 (save, then end with 75) and SIGUSR2 (save and go on) are noted too instead
/// of ending the process.
void watch_save_signals();

/// True if SIGUSR1 has come. Any thread.
bool requeue_requested() noexcept;

/// True if SIGUSR2 has come since this was last asked.
bool take_save_request() noexcept;

/// Throws Error(interrupted or terminated) if a stop signal has come. For long loops.
void check_for_stop();

}  // namespace fg::session
