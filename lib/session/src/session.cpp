#include <array>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <thread>

#include <mpi.h>
#include <unistd.h>

#include <fg/base/failpoint.hpp>
#include <fg/session/interfaces.hpp>
#include <fg/session/mpi_check.hpp>
#include <fg/session/placement.hpp>
#include <fg/session/session.hpp>
#include <fg/session/signals.hpp>

#include "control.hpp"
#include "deadline.hpp"
#include "packed_texts.hpp"

namespace fg::session {
namespace {

/// A process alone needs no daemon that would start others, and no network. To begin without saves
/// it half a second with Open MPI 4. Nor a folder for talk with others: all processes alone would
/// share one path, and one that ends removes it while another begins. What the user has set holds.
void begin_alone() {
  ::setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
  ::setenv("OMPI_MCA_orte_create_session_dirs", "0", 0);
  ::setenv("OMPI_MCA_pml", "ob1", 0);
}

/// What MPI_Init gives.
struct Mpi {
  int threads = 0;
  MPI_Comm own = MPI_COMM_NULL;  // the world, for this library alone
};

/// All of the start that waits for the other ranks without end.
Mpi init_mpi(int& argc, char**& argv) {
  std::optional<Deadline> deadline;
  if (const auto rank = launched_rank()) {
    const double seconds = start_timeout();
    std::ostringstream text;
    text << "the job has not come together for " << seconds << " s (rank " << *rank << " on "
         << host_name() << " waits in MPI_Init): a rank did not start, or this machine does not"
         << " reach the others (see FG_INTERFACE)";
    deadline.emplace(seconds, text.str());
  }
  Mpi mpi;
  mpi_check(MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &mpi.threads), "MPI_Init_thread");
  fail_point("session.mpi_started");
  mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &mpi.own), "MPI_Comm_dup");
  return mpi;
}

}  // namespace

std::optional<std::string> launched_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"})
    if (const char* rank = std::getenv(name)) return rank;
  return std::nullopt;
}

Session::Session(int& argc, char**& argv) {
  if (!launched_rank()) begin_alone();
  use_interface_for_mpi();
  fail_point("session.before_meeting");
  const Mpi mpi = init_mpi(argc, argv);
  if (mpi.threads < MPI_THREAD_MULTIPLE)
    fail(ExitCode::bug,
         "this MPI library gives no MPI_THREAD_MULTIPLE, which fg needs; use a build "
         "of Open MPI with thread support");
  control_ = std::make_unique<Control>(mpi.own);
  rank_ = control_->rank();
  size_ = control_->size();
  control_->set_hosts(std::vector<std::string>(static_cast<std::size_t>(size_), host_name()));
  control_->set_hosts(gather_to_all(host_name()));
  fail_point("session.met");
}

Session::~Session() {
  std::optional<Deadline> deadline;
  if (size_ > 1) deadline.emplace(timeout_s_, "MPI_Finalize does not end: a rank is not leaving");
  fail_point("session.before_leaving");
  control_.reset();
  MPI_Finalize();
}

const std::vector<std::string>& Session::hosts() const noexcept {
  return control_->hosts();
}

void Session::set_timeout(double seconds) {
  FG_CHECK(seconds > 0);
  timeout_s_ = seconds;
}

ExitCode Session::agree(ExitCode mine) {
  const auto code = static_cast<std::uint64_t>(mine);
  return static_cast<ExitCode>(control_->meet(Kind::agree, code, "", timeout_s_).value);
}

std::uint64_t Session::smallest(std::uint64_t mine) {
  return control_->meet(Kind::smallest, mine, "", timeout_s_).value;
}

std::uint64_t Session::united(std::uint64_t mine) {
  return control_->meet(Kind::united, mine, "", timeout_s_).value;
}

void Session::together(const std::function<void()>& part) {
  std::exception_ptr mine;
  ExitCode code = ExitCode::done;
  try {
    part();
  } catch (const Error& error) {
    mine = std::current_exception();
    code = error.code();
  } catch (...) {
    mine = std::current_exception();
    code = ExitCode::bug;
  }
  ExitCode agreed = ExitCode::done;
  try {
    agreed = agree(code);
  } catch (const Error&) {  // the others do not come: what this rank has to say comes first
    if (mine) std::rethrow_exception(mine);
    throw;
  }
  failed_together_ = failed_together_ || agreed != ExitCode::done;
  if (mine) std::rethrow_exception(mine);
  if (agreed != ExitCode::done) throw PeerFailed(agreed);
}

std::string Session::broadcast(const std::string& text) {
  return control_->meet(Kind::broadcast, 0, is_first() ? text : std::string(), timeout_s_).text;
}

std::vector<std::string> Session::gather_to_all(const std::string& text) {
  return unpack(broadcast(pack(gather(text))));
}

std::vector<std::string> Session::gather(const std::string& text) {
  return control_->meet(Kind::gather, 0, text, timeout_s_).texts;
}

void Session::abort(ExitCode code) {
  end_process_after(10, code);
  MPI_Abort(MPI_COMM_WORLD, static_cast<int>(code));
  ::_exit(static_cast<int>(code));
}

void Session::leave_end_to_others(ExitCode code) {
  static const bool is_hasty = fault_planted("session.end_not_left_to_others");
  constexpr int slices = 240;
  const auto asked = stop_requested();  // the launcher asks, too, where the job is being ended
  for (int slice = 0; slice < slices && !is_hasty && stop_requested() == asked; ++slice)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  abort(code);
}

void end_process_after(double seconds, ExitCode code) noexcept {
  try {
    std::thread([=] {
      std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
      ::_exit(static_cast<int>(code));
    }).detach();
  } catch (const std::exception&) {  // no thread is to be had
    ::alarm(static_cast<unsigned>(seconds) + 1);
  }
}

std::string mpi_library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  mpi_check(MPI_Get_library_version(text.data(), &length), "MPI_Get_library_version");
  const std::string all(text.data(), static_cast<std::size_t>(length));
  return all.substr(0, all.find_first_of(",\n"));
}

}  // namespace fg::session
