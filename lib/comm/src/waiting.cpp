#include "waiting.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include <fg/base/error.hpp>
#include <fg/session/agreement.hpp>
#include <fg/session/idle_time.hpp>
#include <fg/session/pulse.hpp>
#include <fg/session/watchdog.hpp>

#include "describe.hpp"

namespace fg::comm {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

std::vector<int> missing_peers(const auto& transfers) {
  std::vector<int> ranks;
  for (const auto& transfer : transfers)
    if (!transfer->advance()) ranks.push_back(transfer->world_peer());
  return ranks;
}

/// A wait is short as a rule; one that is not leaves the core to the ranks it waits for.
void pause_after(double idle_s) {
  if (idle_s < 1e-3)
    std::this_thread::yield();
  else
    std::this_thread::sleep_for(microseconds(idle_s < 0.1 ? 20 : 200));
}

}  // namespace

std::string waited_too_long(const Operation& operation, int world_rank, double seconds,
                            const std::vector<int>& missing) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", seconds);
  return describe(operation) + ": rank " + std::to_string(world_rank) + " has waited " + text +
         " s for " + session::describe_ranks(missing) + ", more than comm.timeout_s allows" +
         session::culprit_clause(missing);
}

void Transfer::finish(const Waiting& waiting) {
  waiting.until_done(*this);
}

void Waiting::until_done(std::span<const std::unique_ptr<Transfer>> transfers) const {
  std::vector<Transfer*> all;
  for (const auto& transfer : transfers) all.push_back(transfer.get());
  until_done(all);
}

void Waiting::until_done(Transfer& transfer) const {
  Transfer* const one = &transfer;
  until_done(std::span(&one, 1));
}

void Waiting::until_done(std::span<Transfer* const> transfers) const {
  std::size_t moved = 0;
  const auto begin = Clock::now();
  session::IdleTime idle_time(begin);
  auto last_check = begin;
  session::LongWait wait(operation_.name);
  while (true) {
    bool is_done = true;
    std::size_t moved_now = 0;
    for (Transfer* transfer : transfers) {
      is_done = transfer->advance() && is_done;
      moved_now += transfer->moved();
    }
    if (is_done) return;
    const auto now = Clock::now();
    if (moved_now != moved) idle_time.moved(now);
    moved = moved_now;
    const double idle = idle_time.seconds(now);
    if (idle > shared_.timeout_s) give_up(transfers, idle);
    if (is_given_up_ != nullptr && *is_given_up_)
      fail(ExitCode::bug, describe(operation_) + " was given up");
    if (shared_.options.while_waiting && now - last_check > milliseconds(50)) {
      shared_.options.while_waiting();
      last_check = now;
    }
    wait.note(idle, [&] { return missing_peers(transfers); });
    pause_after(idle);
  }
}

void Waiting::give_up(std::span<Transfer* const> transfers, double seconds) const {
  std::vector<int> missing;
  for (Transfer* transfer : transfers)
    if (!transfer->advance()) missing.push_back(transfer->world_peer());
  std::sort(missing.begin(), missing.end());
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  fail(ExitCode::hang, waited_too_long(operation_, shared_.world_rank, seconds, missing));
}

}  // namespace fg::comm
