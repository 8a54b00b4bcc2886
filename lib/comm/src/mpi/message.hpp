#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <mpi.h>

#include "../waiting.hpp"

namespace fg::comm {

enum class Kind : std::uint32_t { message, barrier, broadcast, all_reduce_sum, all_gather, group };

/// What a sender believes it takes part in; a receiver compares it with its own.
struct Header {
  Kind kind = Kind::message;
  std::int32_t type = -1;     // at::ScalarType
  std::int32_t argument = 0;  // root of a broadcast, type of a sum
  std::int32_t dimensions = 0;
  std::uint64_t number = 0;  // of the collective on its communicator; of a group, its members
  std::array<std::int64_t, 8> sizes{};

  bool operator==(const Header&) const = default;
};

/// What goes ahead of a message's bytes.
struct Envelope {
  Header header;
  std::int64_t arrives = 0;  // on a simulated wire: ticks of the machine's steady clock, else 0
};
static_assert(sizeof(Envelope) == message_header_bytes);

/// For these values, which are what all ranks have (or should have).
Header header_of(Kind kind, const at::Tensor& values);
std::string describe(const Header& header);

/// Who a message is from or for.
struct Peer {
  MPI_Comm group = MPI_COMM_NULL;
  int rank = 0;        // in that group
  int world_rank = 0;  // in messages to the user
  int tag = 0;         // MPI's
};

/// An envelope and `bytes` in pieces of at most `piece_bytes`, begun by the constructor. `memory`
/// is kept alive until MPI is done with it, even where this is destroyed before. Complete no
/// earlier than it `arrives`, on both sides.
class Message final : public Transfer {
public:
  using Clock = std::chrono::steady_clock;

  Message(bool is_send, const Peer& peer, const Header& header, std::span<std::byte> bytes,
          at::Tensor memory, std::int64_t piece_bytes, Clock::time_point arrives = {});
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  ~Message() override;

  bool advance() override;
  std::size_t moved() const noexcept override { return done_; }
  int world_peer() const noexcept override { return world_rank_; }

private:
  /// Nothing under way yet. The other constructor goes through this one, so that what it has begun
  /// when it throws is ended by the destructor.
  Message(bool is_send, const Peer& peer, const Header& header, at::Tensor memory,
          Clock::time_point arrives);
  void start(const Peer& peer, void* data, std::size_t bytes);
  void check_header() const;

  bool is_send_;
  int world_rank_;
  Header expected_;
  std::unique_ptr<Envelope> wire_;
  at::Tensor memory_;
  std::vector<MPI_Request> requests_;
  std::size_t done_ = 0;  // requests that are complete, in order
};

}  // namespace fg::comm
