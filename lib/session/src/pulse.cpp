#include "fg/session/pulse.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include <fg/base/failpoint.hpp>
#include <fg/session/doing.hpp>

#include "beat.hpp"

namespace fg::session {
namespace {

struct Pulse {
  std::atomic<const char*> section = "start";
  std::atomic<std::uint64_t> number = 0;
  std::atomic<std::uint64_t> progress = 0;
  std::atomic<double> timeout_s = 0;
  std::atomic<bool> is_waiting = false;
  std::mutex mutex;  // of what follows
  std::array<std::int32_t, Beat::most_waits> waits_for{};
  std::int32_t waits = 0;
  std::array<char, 32> waits_in{};
};

Pulse& pulse() {
  static Pulse the_pulse;
  return the_pulse;
}

void copy_text(std::string_view text, std::array<char, 32>& to) {
  to.fill('\0');
  std::copy_n(text.begin(), std::min(text.size(), to.size() - 1), to.begin());
}

}  // namespace

void enter_section(const char* name, double timeout_s) noexcept {
  pulse().timeout_s = timeout_s;
  pulse().section = name;
  pulse().number = 0;
  ++pulse().progress;
}

void beat(std::uint64_t number) noexcept {
  pulse().number = number;
  ++pulse().progress;
}

void moved() noexcept {
  static const bool is_silent = fault_planted("session.progress_not_told");
  if (!is_silent) ++pulse().progress;
}

Activity::Activity(const char* name) noexcept : before_(pulse().section.exchange(name)) {
  moved();
}

Activity::~Activity() {
  pulse().section = before_;
  moved();
}

void note_waiting(std::span<const int> world_ranks, std::string_view what) noexcept {
  const std::lock_guard lock(pulse().mutex);
  const std::size_t count = std::min(world_ranks.size(), Beat::most_waits);
  std::copy_n(world_ranks.begin(), count, pulse().waits_for.begin());
  pulse().waits = static_cast<std::int32_t>(count);
  copy_text(what, pulse().waits_in);
  pulse().is_waiting = true;
}

void done_waiting() noexcept {
  pulse().is_waiting = false;
  ++pulse().progress;
}

Beat read_pulse() {
  Beat beat;
  beat.progress = pulse().progress;
  beat.number = pulse().number;
  beat.section_timeout_s = pulse().timeout_s;
  copy_text(pulse().section.load(), beat.section);
  if (!pulse().is_waiting) return beat;
  const std::lock_guard lock(pulse().mutex);
  beat.waits = pulse().waits;
  beat.waits_for = pulse().waits_for;
  beat.waits_in = pulse().waits_in;
  return beat;
}

Doing doing() {
  const Beat beat = read_pulse();
  return {beat.section.data(),
          beat.number,
          {beat.waits_for.begin(), beat.waits_for.begin() + beat.waits},
          beat.waits_in.data()};
}

}  // namespace fg::session
