#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <fg/comm/communicator.hpp>

#include "simulated_wire.hpp"

namespace fg::comm {

/// What communicators that come from one another share.
struct Shared : std::enable_shared_from_this<Shared> {
  explicit Shared(Options given, int rank, at::Device where = at::kCPU)
      : options(std::move(given)),
        device(where),
        timeout_s(options.timeout_s),
        world_rank(rank),
        wire(options.simulate_bytes_per_second) {}

  const Options options;
  const at::Device device;
  std::atomic<double> timeout_s;
  const int world_rank;
  SimulatedWire wire;  // of what this rank sends over MPI
  History history;
};

/// Something under way between this rank and a peer.
class Transfer {
public:
  virtual ~Transfer() = default;
  /// Moves it on without blocking; true once it is complete.
  virtual bool advance() = 0;
  /// Pending::wait.
  virtual void finish(const Waiting& waiting);
  /// Grows with every part that has come or gone.
  virtual std::size_t moved() const noexcept = 0;
  virtual int world_peer() const noexcept = 0;
};

using Transfers = std::vector<std::unique_ptr<Transfer>>;

/// "recv of float32 [3] (12 bytes), tag 1: rank 2 has waited 600.1 s for rank 6, more than
/// comm.timeout_s allows".
std::string waited_too_long(const Operation& operation, int world_rank, double seconds,
                            const std::vector<int>& missing);

/// One operation: polls until what it waits for is complete, and notes its end.
class Waiting {
public:
  /// `number` is the operation's in the history. Once `is_given_up` is true every wait ends.
  Waiting(Shared& shared, const Operation& operation, std::uint64_t number,
          const std::atomic<bool>* is_given_up = nullptr)
      : shared_(shared), operation_(operation), number_(number), is_given_up_(is_given_up) {}

  /// Error(hang) once nothing has moved for the time-out, naming the peers.
  void until_done(std::span<const std::unique_ptr<Transfer>> transfers) const;
  void until_done(Transfer& transfer) const;

  Shared& shared() const noexcept { return shared_; }
  const Operation& operation() const noexcept { return operation_; }
  std::uint64_t number() const noexcept { return number_; }
  void note_end() const noexcept { shared_.history.end(number_); }

private:
  void until_done(std::span<Transfer* const> transfers) const;
  [[noreturn]] void give_up(std::span<Transfer* const> transfers, double seconds) const;

  Shared& shared_;
  const Operation& operation_;
  std::uint64_t number_;
  const std::atomic<bool>* is_given_up_;
};

}  // namespace fg::comm
