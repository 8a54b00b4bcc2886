#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace fg::session {

// What this rank is doing, for the watchdog to tell the other ranks. These are free functions so
// that every library can say it; they cost an atomic store or two and never fail or block. Called
// by the thread that does the rank's work. Without a watchdog nobody reads it.

/// From here on this rank is in this section ("load", "step"), which may take `timeout_s` without
/// any progress before the rank counts as hung; 0: as long as it likes. Counts as progress. `name`
/// is a literal: it is kept, not copied.
void enter_section(const char* name, double timeout_s) noexcept;

/// Progress: the rank is at this step, file or the like of its section.
void beat(std::uint64_t number) noexcept;

/// Progress within a step: a microbatch, a message.
void moved() noexcept;

/// A part of a section under a name of its own ("evaluation"), as long as this lives. The section's
/// time holds for it, and its number. `name` is a literal.
class Activity {
public:
  explicit Activity(const char* name) noexcept;
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;
  ~Activity();

private:
  const char* before_;
};

/// From here on this rank waits for these ranks of the world in `what` ("recv"). To be called once
/// a wait is long (50 ms), and again when those it waits for change. The watchdog does not count a
/// rank that waits as hung, but looks for whom it waits for.
void note_waiting(std::span<const int> world_ranks, std::string_view what) noexcept;

/// It waits no more. Counts as progress.
void done_waiting() noexcept;

/// Calls these two for a loop that polls: `LongWait wait("recv");` before it, and in it
/// `wait.note(idle_s, [&] { return missing(); });` with the seconds since something last moved. The
/// ranks are asked for once the wait is long, then twice a second and after each move.
class LongWait {
public:
  explicit LongWait(std::string_view what) noexcept : what_(what) {}
  LongWait(const LongWait&) = delete;
  LongWait& operator=(const LongWait&) = delete;
  ~LongWait() {
    if (is_noted_) done_waiting();
  }
  template <typename Missing>
  void note(double idle_s, Missing&& missing) {
    if (idle_s < last_idle_s_) next_s_ = first_s;  // something has moved
    last_idle_s_ = idle_s;
    if (idle_s < next_s_) return;
    note_waiting(missing(), what_);
    is_noted_ = true;
    next_s_ = idle_s + 0.5;
  }

private:
  static constexpr double first_s = 0.05;
  std::string_view what_;
  double last_idle_s_ = 0;
  double next_s_ = first_s;
  bool is_noted_ = false;
};

}  // namespace fg::session
