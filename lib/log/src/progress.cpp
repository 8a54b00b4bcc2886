#include <algorithm>

#include <fg/base/units.hpp>
#include <fg/log/console.hpp>
#include <fg/log/log.hpp>
#include <fg/log/progress.hpp>

#include "terminal.hpp"

namespace fg::log {
namespace {

constexpr int bar_cells = 24;

std::string bar(std::uint64_t done, std::uint64_t total) {
  const double part =
      total == 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const int filled = static_cast<int>(part * bar_cells);
  return "[" + std::string(filled, '#') + std::string(bar_cells - filled, '.') + "] ";
}

}  // namespace

Progress::Progress(std::string what, std::uint64_t total, Amount amount, std::uint64_t already)
    : what_(std::move(what)),
      total_(total),
      amount_(amount),
      already_(already),
      done_(already),
      draws_(draws_on_terminal()) {
  if (draws_ && amount_ == Amount::steps) draw();  // the first step may take long
}

Progress::~Progress() {
  if (draws_) terminal::leave_bar();
}

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - begin_).count();
}

void Progress::draw() {
  terminal::show_bar(bar(done_, total_) + line());
}

std::string Progress::amount_text(std::uint64_t count) const {
  return amount_ == Amount::bytes ? format_bytes(count) : with_thousands(count);
}

std::string Progress::rate_text(double per_second) const {
  if (amount_ == Amount::bytes) return format_bytes(static_cast<std::uint64_t>(per_second)) + "/s";
  if (per_second >= 1) return format_fixed(per_second, 2) + " steps/s";
  return format_fixed(1 / per_second, 2) + " s a step";
}

std::string Progress::line() const {
  const std::uint64_t fresh = done_ - already_;
  const double rate = static_cast<double>(fresh) / std::max(seconds(), 1e-3);
  const double percent =
      total_ == 0 ? 100 : 100 * static_cast<double>(done_) / static_cast<double>(total_);
  std::string text = what_ + " " + amount_text(done_) + " of " + amount_text(total_) +
                     (amount_ == Amount::steps ? " steps" : "") + " (" +
                     std::to_string(static_cast<int>(percent)) + " %)";
  if (fresh == 0) return text;
  text += ", " + rate_text(rate);
  if (done_ < total_)
    text += ", " + format_duration(static_cast<double>(total_ - done_) / rate) + " left";
  return text;
}

void Progress::advance(std::uint64_t count) {
  done_ += count;
  const auto now = Clock::now();
  if (now - last_ < (draws_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(30000)))
    return;
  last_ = now;
  if (draws_) return draw();
  if (amount_ == Amount::bytes) info(line());
}

void Progress::finish() {
  if (draws_) terminal::remove_bar();
  draws_ = false;
  const std::string unit = amount_ == Amount::steps ? " steps" : "";
  info(what_ + ": " + amount_text(done_ - already_) + unit + " in " + format_fixed(seconds(), 1) +
       " s");
}

}  // namespace fg::log
