#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <fg/session/session.hpp>

namespace fg::session {

/// Why a job ends.
struct Verdict {
  std::vector<int> culprits;
  /// "rank 2 (h2) has not been heard of for 12 s, last in 'step 40'; ranks 0, 1 (h1) wait for it".
  std::string text;
};

struct WatchdogOptions {
  /// A rank that is silent for so long has hung (its process is stopped, its machine or network
  /// gone). How long a rank may be without progress is its section's to say (enter_section).
  double timeout_s = 600;
  /// Called on every rank that is still there, in the watchdog's thread, before the job ends: to
  /// write reports and abort NCCL. What it throws is ignored. It has about 3 s; the process ends
  /// 10 s after the verdict, whatever hangs.
  std::function<void(const Verdict&)> on_hang;
};

class WatchdogThread;

/// Sees ranks that hang, and ends the job with exit code 7 and one line that names them.
///
/// A thread of each process tells rank 0 once a second what the rank is doing (pulse.hpp), and rank
/// 0 tells all of all. The verdict is found by rank 0 within a second of the time-out, or, where
/// rank 0 itself is silent, by the lowest rank that is not, up to 3 s later; that rank's log has it
/// as an error. Then come `on_hang`, and Session::abort. The time in which a whole job stands still
/// (suspended) does not count.
///
/// One at a time a process; no thread and no traffic where the session has one rank. Runs on a
/// communicator of its own.
class Watchdog {
public:
  /// Collective.
  Watchdog(Session& session, WatchdogOptions options);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  /// Not collective, never waits for others: this rank is watched no more. After the ranks' last
  /// meeting, so that none still needs it; with rank 0's the watching ends.
  ~Watchdog();

private:
  std::unique_ptr<WatchdogThread> thread_;
};

/// Of ranks that are waited for: who is really behind ("rank 3 (h2) waits for nobody, is in 'step
/// 40'"), as far as the watchdog knows it; "" without a watchdog. Any thread, not collective.
std::string culprit(const std::vector<int>& waited_for);

/// The same behind "; ", to be added to a message.
std::string culprit_clause(const std::vector<int>& waited_for);

}  // namespace fg::session
