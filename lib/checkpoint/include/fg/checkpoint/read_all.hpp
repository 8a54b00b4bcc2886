#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include <fg/checkpoint/reader.hpp>

namespace fg::checkpoint {

/// Rows that a rank wants of a logical tensor.
struct Wanted {
  store::TensorUse use = store::TensorUse::weights;
  std::string name;
  std::uint64_t first_row = 0;
  std::uint64_t rows = 0;
  std::span<std::byte> out;  // has exactly their size
};

/// How bytes get from one world rank to another: two calls that block until this rank's part is
/// done (comm::send_bytes, comm::recv_bytes). At most `exchange_piece` bytes at once.
struct Exchange {
  std::function<void(std::span<const std::byte> bytes, int to)> send;
  std::function<void(std::span<std::byte> bytes, int from)> recv;
};

inline constexpr std::size_t exchange_piece = std::size_t{16} << 20;

/// Collective; what is wanted differs from rank to rank. Fills every `out`: from this node's files
/// as far as they hold it, the rest from the lowest rank that sees the file. Rows that several
/// ranks want go to the first of them and on from rank to rank, so that they cross from node to
/// node once. Where every rank finds all it wants in its own files (one node, a shared file system)
/// nothing is sent but one agreement. Besides the outs it needs `exchange_piece` bytes a rank.
///
/// Error(cannot_load) on all ranks, before anything is sent: a name or rows that are not in the
/// checkpoint, a file that no rank sees, or one here that cannot be read. A rank that fails later
/// (a disk that breaks) leaves the others waiting: the caller must end the job (Session::abort).
void read_all(session::Session& session, const Exchange& exchange, Reader& reader,
              std::span<const Wanted> wanted);

}  // namespace fg::checkpoint
