#pragma once

#include <stdexcept>
#include <string>

namespace fg {

/// The exit codes of every program; scripts and job files act on them (docs/operations.md).
enum class ExitCode : int {
  done = 0,
  usage = 2,        // command line or configuration
  data = 3,         // training or input data
  cannot_load = 4,  // a file to read is missing, damaged or not supported
  cannot_save = 5,  // a file could not be written whole
  numerics = 6,     // loss or gradient not finite
  hang = 7,         // a rank stopped making progress
  rank_lost = 8,    // a rank or device died, as seen by a survivor
  ranks_disagree = 9,
  bug = 70,      // ours
  requeue = 75,  // saved before the end
  interrupted = 130,
  terminated = 143,
};

/// A failure with one message for the user: what was wanted, what was found, where, what to do.
/// Thrown inside a rank; apps/common turns it into one line and the exit code.
class Error : public std::runtime_error {
public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const noexcept { return code_; }

private:
  ExitCode code_;
};

/// Throws `Error`. `fail(ExitCode::cannot_load, path + ": header is longer than the file")`.
[[noreturn]] void fail(ExitCode code, const std::string& message);

/// A check of our own reasoning, never of input: throws Error(bug) naming file and line.
#define FG_CHECK(condition) \
  ((condition) ? void() : ::fg::check_failed(#condition, __FILE__, __LINE__))
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

/// The text of an errno value, safe from any thread.
std::string errno_text(int error_number);

}  // namespace fg
