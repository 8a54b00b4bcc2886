#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fg/base/error.hpp>

namespace fg::session {

/// Thrown on every rank after `together` when some rank failed, which says why; and where a
/// collective ends badly, on those to whom rank 0, which says why, can tell it.
class PeerFailed : public Error {
public:
  explicit PeerFailed(ExitCode code) : Error(code, "another rank failed") {}
};

/// The rank that a launcher (mpirun, srun) gave this process, known before MPI is started; nothing
/// where it was started alone.
std::optional<std::string> launched_rank();

class Control;

/// One MPI job, from MPI_Init_thread to MPI_Finalize. Started alone a program is one rank. Exactly
/// one a process. All traffic runs on a duplicated communicator, so it never meets anybody else's.
///
/// Collectives (what is called so below, and all that is made of it) are called by all ranks in the
/// same order, one thread at a time. Each ends: where nobody has come for the time-out it is
/// Error(hang) on rank 0, naming who is missing, and PeerFailed(hang) on the others; where rank 0
/// itself is silent, Error(hang) on the others, some seconds later. A rank that is at another
/// collective is named by Error(ranks_disagree) likewise. After such an error the ranks have no
/// common ground left: the job must end (`abort`).
class Session {
public:
  /// Collective. Error(bug) if MPI cannot give MPI_THREAD_MULTIPLE; Error(usage) if $FG_INTERFACE
  /// names no interface of this machine (interfaces.hpp). Where a launcher started the job and the
  /// ranks do not all come within $FG_START_TIMEOUT seconds (600), the process says so and ends
  /// with exit code 7.
  Session(int& argc, char**& argv);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  /// Collective: MPI_Finalize. While an exception is in flight on this rank only, the others would
  /// wait, so errors must be caught and agreed upon before this runs (apps/common does). Where a
  /// rank does not come for the time-out the process says so and ends with exit code 7.
  ~Session();

  int rank() const noexcept { return rank_; }  // in the world
  int size() const noexcept { return size_; }
  bool is_first() const noexcept { return rank_ == 0; }
  /// The name of each rank's machine (host_name).
  const std::vector<std::string>& hosts() const noexcept;

  /// How long a collective waits while nobody comes; at first 600 s. Ranks may come that far apart:
  /// where one of them does a long piece of work (a load, a save) set more before. Rank 0's counts;
  /// the others wait a little longer than theirs. Infinity: without end. Not collective.
  void set_timeout(double seconds);
  double timeout() const noexcept { return timeout_s_; }

  /// Collective. Runs `part` on this rank, then meets the others. If any rank threw, all leave with
  /// an error: the rank that failed with its own, the others with PeerFailed and the same code (of
  /// several the largest). `part` itself must not communicate.
  void together(const std::function<void()>& part);

  /// True once `together` has made every rank leave: all know, nobody waits.
  bool failed_together() const noexcept { return failed_together_; }

  /// After a common failure that every rank has dealt with (a save that will be tried again): all
  /// go on, and the next failure counts afresh. To be called on every rank.
  void forget_failure() noexcept { failed_together_ = false; }

  /// Collective. The largest code any rank brings.
  ExitCode agree(ExitCode mine);

  /// Collective. The smallest number any rank brings.
  std::uint64_t smallest(std::uint64_t mine);

  /// Collective. The bits that any rank brings.
  std::uint64_t united(std::uint64_t mine);

  /// Collective. Rank 0's text on every rank; what others pass is ignored.
  std::string broadcast(const std::string& text);

  /// Collective. Every rank's text in rank order, on rank 0; empty elsewhere.
  std::vector<std::string> gather(const std::string& text);

  /// Collective. The same on every rank.
  std::vector<std::string> gather_to_all(const std::string& text);

  /// Not collective: ends the whole job at once with this code, from any thread. Never returns:
  /// where MPI takes more than 10 s to end the job, at least this process ends.
  [[noreturn]] void abort(ExitCode code);

  /// Not collective. For a rank that leaves with PeerFailed though the ranks have not failed
  /// together: the rank that knows why ends the job once it has said so, however long it takes to
  /// get there; where it has not after 12 s, `abort`. Never returns.
  [[noreturn]] void leave_end_to_others(ExitCode code);

private:
  int rank_ = 0;
  int size_ = 1;
  double timeout_s_ = 600;
  bool failed_together_ = false;
  std::unique_ptr<Control> control_;
};

/// Another time-out for the session's collectives as long as this lives.
class Patience {
public:
  Patience(Session& session, double seconds) : session_(session), before_(session.timeout()) {
    session_.set_timeout(seconds);
  }
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;
  ~Patience() { session_.set_timeout(before_); }

private:
  Session& session_;
  double before_;
};

/// From now on this process has at most so long to live; then it ends at once with this code. For
/// endings that may hang. Any thread.
void end_process_after(double seconds, ExitCode code) noexcept;

/// "Open MPI v4.1.4, …": the library's own words, one line. Before or after MPI_Init.
std::string mpi_library();

}  // namespace fg::session
