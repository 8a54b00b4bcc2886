#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>

#include <mpi.h>
#include <unistd.h>

#include <fg/session/interfaces.hpp>
#include <fg/session/mpi_check.hpp>
#include <fg/session/session.hpp>

namespace fg::session {
namespace {

// The one session's communicator. A member would put mpi.h into the public header.
MPI_Comm world = MPI_COMM_NULL;

/// A process alone needs no daemon that would start others, and no network. To begin without saves
/// it half a second with Open MPI 4. Nor a folder for talk with others: all processes alone would
/// share one path, and one that ends removes it while another begins. What the user has set holds.
void begin_alone() {
  ::setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
  ::setenv("OMPI_MCA_orte_create_session_dirs", "0", 0);
  ::setenv("OMPI_MCA_pml", "ob1", 0);
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
  int provided = 0;
  mpi_check(MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_MULTIPLE)
    fail(ExitCode::bug,
         "this MPI library gives no MPI_THREAD_MULTIPLE, which fg needs; use a build "
         "of Open MPI with thread support");
  mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &world), "MPI_Comm_dup");
  mpi_check(MPI_Comm_set_errhandler(world, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  mpi_check(MPI_Comm_rank(world, &rank_), "MPI_Comm_rank");
  mpi_check(MPI_Comm_size(world, &size_), "MPI_Comm_size");
}

Session::~Session() {
  MPI_Comm_free(&world);
  MPI_Finalize();
}

ExitCode Session::agree(ExitCode mine) {
  const int code = static_cast<int>(mine);
  int largest = 0;
  mpi_check(MPI_Allreduce(&code, &largest, 1, MPI_INT, MPI_MAX, world), "MPI_Allreduce");
  return static_cast<ExitCode>(largest);
}

std::uint64_t Session::smallest(std::uint64_t mine) {
  std::uint64_t least = 0;
  mpi_check(MPI_Allreduce(&mine, &least, 1, MPI_UINT64_T, MPI_MIN, world), "MPI_Allreduce");
  return least;
}

std::uint64_t Session::united(std::uint64_t mine) {
  std::uint64_t all = 0;
  mpi_check(MPI_Allreduce(&mine, &all, 1, MPI_UINT64_T, MPI_BOR, world), "MPI_Allreduce");
  return all;
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
  const ExitCode agreed = agree(code);
  failed_together_ = failed_together_ || agreed != ExitCode::done;
  if (mine) std::rethrow_exception(mine);
  if (agreed != ExitCode::done) throw PeerFailed(agreed);
}

std::string Session::broadcast(const std::string& text) {
  auto length = static_cast<std::uint64_t>(text.size());
  mpi_check(MPI_Bcast(&length, 1, MPI_UINT64_T, 0, world), "MPI_Bcast");
  std::string result = is_first() ? text : std::string(length, '\0');
  mpi_check(MPI_Bcast(result.data(), static_cast<int>(length), MPI_BYTE, 0, world), "MPI_Bcast");
  return result;
}

std::vector<std::string> Session::gather(const std::string& text) {
  const int length = static_cast<int>(text.size());
  const auto ranks = static_cast<std::size_t>(is_first() ? size_ : 0);
  std::vector<int> lengths(ranks), begins(ranks);
  mpi_check(MPI_Gather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, 0, world), "MPI_Gather");
  std::exclusive_scan(lengths.begin(), lengths.end(), begins.begin(), 0);
  std::string all(ranks == 0 ? 0 : static_cast<std::size_t>(begins.back() + lengths.back()), '\0');
  mpi_check(MPI_Gatherv(text.data(), length, MPI_BYTE, all.data(), lengths.data(), begins.data(),
                        MPI_BYTE, 0, world),
            "MPI_Gatherv");
  std::vector<std::string> texts(ranks);
  for (std::size_t r = 0; r < ranks; ++r)
    texts[r] =
        all.substr(static_cast<std::size_t>(begins[r]), static_cast<std::size_t>(lengths[r]));
  return texts;
}

void Session::abort(ExitCode code) {
  MPI_Abort(world, static_cast<int>(code));
  ::_exit(static_cast<int>(code));
}

std::string mpi_library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  mpi_check(MPI_Get_library_version(text.data(), &length), "MPI_Get_library_version");
  const std::string all(text.data(), static_cast<std::size_t>(length));
  return all.substr(0, all.find_first_of(",\n"));
}

}  // namespace fg::session
