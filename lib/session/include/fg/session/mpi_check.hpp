#pragma once

namespace fg::session {

/// Every MPI call of session and comm goes through here: `mpi_check(MPI_Barrier(comm),
/// "MPI_Barrier")`. Error(rank_lost) with the library's words unless `status` is MPI_SUCCESS.
void mpi_check(int status, const char* call);

}  // namespace fg::session
