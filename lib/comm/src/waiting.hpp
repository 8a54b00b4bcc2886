#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <fg/comm/communicator.hpp>

namespace fg::comm {

/// What communicators that come from one another share.
struct Shared {
  explicit Shared(Options given, int rank)
      : options(std::move(given)), timeout_s(options.timeout_s), world_rank(rank) {}

  const Options options;
  std::atomic<double> timeout_s;
  const int world_rank;
  History history;
};

/// Something under way between this rank and a peer.
class Transfer {
public:
  virtual ~Transfer() = default;
  /// Moves it on without blocking; true once it is complete.
  virtual bool advance() = 0;
  /// Grows with every part that has come or gone.
  virtual std::size_t moved() const noexcept = 0;
  virtual int world_peer() const noexcept = 0;
};

using Transfers = std::vector<std::unique_ptr<Transfer>>;

/// Polls until what one operation waits for is complete.
class Waiting {
public:
  Waiting(const Shared& shared, const Operation& operation)
      : shared_(shared), operation_(operation) {}

  /// Error(hang) once nothing has moved for the time-out, naming the peers.
  void until_done(std::span<const std::unique_ptr<Transfer>> transfers) const;

private:
  [[noreturn]] void give_up(std::span<const std::unique_ptr<Transfer>> transfers,
                            double seconds) const;

  const Shared& shared_;
  const Operation& operation_;
};

}  // namespace fg::comm
