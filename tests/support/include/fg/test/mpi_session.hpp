#pragma once

#include <fg/session/session.hpp>

namespace fg::test {

/// The session of an MPI test program, made by its main().
session::Session& mpi_session();

}  // namespace fg::test
