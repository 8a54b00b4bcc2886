#include "terminal.hpp"

#include <cstdio>
#include <mutex>

#include <sys/ioctl.h>
#include <unistd.h>

namespace fg::log::terminal {
namespace {

// Back to the first column, and clear to the end of the line.
constexpr const char* clear_line = "\r\033[K";

std::mutex mutex;
std::string shown;  // the bar on the terminal, empty: none

void send(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

std::size_t width() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

std::string above_bar(std::string_view lines, std::string_view bar) {
  if (bar.empty()) return std::string(lines);
  return clear_line + std::string(lines) + std::string(bar);
}

void print(std::string_view text) {
  const std::scoped_lock lock(mutex);
  send(above_bar(text, shown));
}

void show_bar(const std::string& bar) {
  const std::scoped_lock lock(mutex);
  shown = bar.substr(0, width() - 1);  // a full last column would wrap
  send(clear_line + shown);
}

void remove_bar() {
  const std::scoped_lock lock(mutex);
  if (!shown.empty()) send(clear_line);
  shown.clear();
}

void leave_bar() {
  const std::scoped_lock lock(mutex);
  if (!shown.empty()) send("\n");
  shown.clear();
}

}  // namespace fg::log::terminal
