#include "console.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <poll.h>
#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/base/utf8.hpp>
#include <fg/session/signals.hpp>

#include "interrupts.hpp"

namespace fg::chat {
namespace {

constexpr std::size_t longest = std::size_t{16} << 20;

void check_for_signals() {
  session::check_for_stop();
  if (take_interrupt()) fail(ExitCode::interrupted, "interrupted (SIGINT)");
}

/// Waits for input in steps: a signal may be delivered to another thread, and then wakes nobody.
void wait_for_input() {
  constexpr int step_ms = 100;
  pollfd input = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  while (true) {
    check_for_signals();
    const int ready = ::poll(&input, 1, step_ms);
    if (ready > 0) return;
    if (ready < 0 && errno != EINTR)
      fail(ExitCode::data, "cannot wait for standard input: " + errno_text(errno));
  }
}

std::string checked(std::string text) {
  if (const auto at = find_invalid_utf8(text))
    fail(ExitCode::data,
         "standard input: byte " + std::to_string(*at + 1) + " of the text is not UTF-8");
  return text;
}

}  // namespace

void put(std::string_view text) {
  const bool whole = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!whole || std::fflush(stdout) != 0)
    fail(ExitCode::cannot_save, "cannot write to standard output: " + errno_text(errno));
}

bool is_terminal() {
  return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
}

bool Lines::read_more() {
  if (at_end_) return false;
  std::array<char, 65536> block;
  ssize_t count = -1;
  do {
    wait_for_input();
    count = ::read(STDIN_FILENO, block.data(), block.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) fail(ExitCode::data, "cannot read standard input: " + errno_text(errno));
  at_end_ = count == 0;
  read_.append(block.data(), static_cast<std::size_t>(count));
  return !at_end_;
}

std::optional<std::string> Lines::next() {
  bool too_long = false;
  std::size_t end = read_.find('\n');
  while (end == std::string::npos && read_more()) {
    end = read_.find('\n');
    if (end != std::string::npos || read_.size() <= longest) continue;
    too_long = true;
    read_.clear();
  }
  if (end == std::string::npos && read_.empty() && !too_long) return std::nullopt;
  std::string line = read_.substr(0, end);
  read_.erase(0, end == std::string::npos ? end : end + 1);
  if (too_long) fail(ExitCode::data, "standard input: a line has more than 16 MiB");
  if (line.ends_with('\r')) line.pop_back();
  return checked(std::move(line));
}

std::string Lines::rest() {
  while (read_more())
    if (read_.size() > longest)
      fail(ExitCode::data, "standard input: the message has more than 16 MiB");
  std::string text = std::exchange(read_, {});
  text.erase(text.find_last_not_of("\r\n") + 1);
  return checked(std::move(text));
}

}  // namespace fg::chat
