#include <algorithm>
#include <cstdio>

#include <fg/base/units.hpp>
#include <fg/log/log.hpp>
#include <fg/log/progress.hpp>

namespace fg::log {
namespace {

constexpr int bar_cells = 24;

std::string bar(std::uint64_t done, std::uint64_t total) {
  const auto filled =
      total == 0
          ? bar_cells
          : static_cast<int>(static_cast<double>(done) * bar_cells / static_cast<double>(total));
  std::string text = "[";
  for (int cell = 0; cell < bar_cells; ++cell) text += cell < filled ? '#' : '.';
  return text + "] ";
}

}  // namespace

Progress::Progress(std::string what, std::uint64_t total_bytes)
    : what_(std::move(what)), total_(total_bytes), draws_(draws_on_terminal()) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\n", stderr);
}

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - begin_).count();
}

std::string Progress::line() const {
  const double rate = static_cast<double>(done_) / std::max(seconds(), 1e-3);
  const std::uint64_t percent = total_ == 0 ? 100 : done_ * 100 / total_;
  std::string text = what_ + " " + format_bytes(done_) + " of " + format_bytes(total_) + " (" +
                     std::to_string(percent) + " %), " +
                     format_bytes(static_cast<std::uint64_t>(rate)) + "/s";
  if (done_ > 0 && done_ < total_)
    text += ", " +
            std::to_string(static_cast<std::uint64_t>(static_cast<double>(total_ - done_) / rate)) +
            " s left";
  return text;
}

void Progress::advance(std::uint64_t bytes) {
  done_ += bytes;
  const auto now = Clock::now();
  if (now - last_ < (draws_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(30000)))
    return;
  last_ = now;
  if (!draws_) return info(line());
  // \033[K clears what a longer line left behind.
  std::fputs(("\r" + bar(done_, total_) + line() + "\033[K").c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::finish() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
  info(what_ + ": " + format_bytes(done_) + " in " +
       std::to_string(static_cast<int>(seconds() * 10) / 10) + "." +
       std::to_string(static_cast<int>(seconds() * 10) % 10) + " s");
}

}  // namespace fg::log
