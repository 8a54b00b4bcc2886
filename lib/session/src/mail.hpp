#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <mpi.h>

namespace fg::session {

/// Room for one message of fixed size on its way to a peer. The next one is begun only after the
/// last has gone, so a peer that takes nothing costs no memory.
class Outgoing {
public:
  Outgoing(MPI_Comm comm, int peer, int tag, std::size_t bytes);
  /// False if the one before is still under way; then nothing is sent.
  bool send(std::span<const std::byte> bytes);
  bool is_free();

private:
  MPI_Comm comm_;
  int peer_;
  int tag_;
  std::vector<std::byte> buffer_;
  MPI_Request request_ = MPI_REQUEST_NULL;
};

/// Messages of fixed size from a peer (or from any: MPI_ANY_SOURCE), one after the other.
class Incoming {
public:
  Incoming(MPI_Comm comm, int peer, int tag, std::size_t bytes);
  /// Who sent the next message, if it has come; it is in `content` until the next call.
  std::optional<int> take();
  std::span<const std::byte> content() const { return taken_; }
  /// No more.
  void cancel();

private:
  void post();

  MPI_Comm comm_;
  int peer_;
  int tag_;
  std::vector<std::byte> buffer_;
  std::vector<std::byte> taken_;
  MPI_Request request_ = MPI_REQUEST_NULL;
};

}  // namespace fg::session
