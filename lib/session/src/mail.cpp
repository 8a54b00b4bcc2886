#include "mail.hpp"

#include <algorithm>

#include <fg/base/error.hpp>
#include <fg/session/mpi_check.hpp>

namespace fg::session {

Outgoing::Outgoing(MPI_Comm comm, int peer, int tag, std::size_t bytes)
    : comm_(comm), peer_(peer), tag_(tag), buffer_(bytes) {}

bool Outgoing::is_free() {
  int is_done = 1;
  if (request_ != MPI_REQUEST_NULL)
    mpi_check(MPI_Test(&request_, &is_done, MPI_STATUS_IGNORE), "MPI_Test");
  return is_done != 0;
}

bool Outgoing::send(std::span<const std::byte> bytes) {
  FG_CHECK(bytes.size() == buffer_.size());
  if (!is_free()) return false;
  std::copy(bytes.begin(), bytes.end(), buffer_.begin());
  mpi_check(MPI_Isend(buffer_.data(), static_cast<int>(buffer_.size()), MPI_BYTE, peer_, tag_,
                      comm_, &request_),
            "MPI_Isend");
  return true;
}

Incoming::Incoming(MPI_Comm comm, int peer, int tag, std::size_t bytes)
    : comm_(comm), peer_(peer), tag_(tag), buffer_(bytes), taken_(bytes) {
  post();
}

void Incoming::post() {
  mpi_check(MPI_Irecv(buffer_.data(), static_cast<int>(buffer_.size()), MPI_BYTE, peer_, tag_,
                      comm_, &request_),
            "MPI_Irecv");
}

std::optional<int> Incoming::take() {
  if (request_ == MPI_REQUEST_NULL) return std::nullopt;
  MPI_Status status{};
  int is_done = 0;
  mpi_check(MPI_Test(&request_, &is_done, &status), "MPI_Test");
  if (is_done == 0) return std::nullopt;
  taken_ = buffer_;
  post();
  return status.MPI_SOURCE;
}

void Incoming::cancel() {
  if (request_ == MPI_REQUEST_NULL) return;
  mpi_check(MPI_Cancel(&request_), "MPI_Cancel");
  mpi_check(MPI_Request_free(&request_), "MPI_Request_free");
}

}  // namespace fg::session
