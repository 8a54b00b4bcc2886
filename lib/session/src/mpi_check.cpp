#include <array>
#include <string>

#include <mpi.h>

#include <fg/base/error.hpp>
#include <fg/session/mpi_check.hpp>

namespace fg::session {

void mpi_check(int status, const char* call) {
  if (status == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  if (MPI_Error_string(status, text.data(), &length) != MPI_SUCCESS) length = 0;
  fail(ExitCode::rank_lost, std::string(call) + " failed: " +
                                std::string(text.data(), static_cast<std::size_t>(length)));
}

}  // namespace fg::session
