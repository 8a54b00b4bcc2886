#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/comm/history.hpp>
#include <fg/session/session.hpp>

namespace fg::comm {

class Transport;
struct Shared;

struct Options {
  /// A wait ends with Error(hang) once nothing has moved for so long. The peers are named.
  double timeout_s = 600;
  /// Called some times a second while a wait goes on; may throw, which ends the wait. For phases in
  /// which a signal ends the program: session::check_for_stop.
  std::function<void()> while_waiting;
  /// Longer messages travel in pieces of this size (MPI counts to 2³¹ − 1, and one piece of 256 MiB
  /// took twice as long as sixteen: measured). At most 64 MiB, equal on all ranks.
  std::int64_t piece_bytes = 16 << 20;
};

/// A send or a receive under way. Holds its tensor, whose memory must not be touched (of a send:
/// not be written) before `wait` has returned. One that is dropped before it is complete is given
/// up: its communicator is then of no more use.
class Pending {
public:
  Pending() noexcept;  // complete
  Pending(Pending&& other) noexcept;
  Pending& operator=(Pending&& other) noexcept;
  ~Pending();

  /// Moves it on, never blocks. True once it is complete. May throw as `wait` does.
  bool is_done();
  /// Returns once it is complete: of a send, once its memory may be written again. Error(hang) past
  /// the time-out; Error(ranks_disagree) if the peer's tensor has another type or shape;
  /// Error(rank_lost).
  void wait();

private:
  friend class Communicator;
  struct State;
  explicit Pending(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

/// An ordered group of ranks that exchange tensors. Ranks are counted within the group unless they
/// are called world ranks. Transports: copies (a group of one) and MPI (host memory).
///
/// Collectives (all members call them, in the same order): `group`, `barrier`, `broadcast`,
/// `all_reduce_sum`, `all_gather`. They return when this rank's part is complete. Every message
/// carries what its sender believes: another operation, type or shape on a peer is
/// Error(ranks_disagree) on at least one of them, naming both. Past the time-out: Error(hang)
/// naming operation, tensor, peers and seconds. After an error a communicator is of no more use
/// and the job must end (Session::abort where the other ranks do not know).
///
/// Tensors are contiguous and on the CPU, of at most 8 dimensions, else Error(bug). Any type can be
/// moved, byte for byte; sums are of float32, bfloat16, float64, int64 and int32, else Error(bug).
///
/// One thread at a time a communicator; several communicators may be used by several threads.
/// To be destroyed before the session.
class Communicator {
public:
  /// All ranks, in their order. Collective over the session.
  static std::unique_ptr<Communicator> connect(session::Session& session, Options options = {});

  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  ~Communicator();

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return static_cast<int>(world_ranks_.size()); }
  const std::vector<int>& world_ranks() const noexcept { return world_ranks_; }

  /// A communicator of these world ranks, in this order. Collective over them alone; all must be
  /// members of this one and this rank among them, else Error(bug).
  std::unique_ptr<Communicator> group(const std::vector<int>& world_ranks);

  void barrier();
  /// The tensor of rank `root` on every rank.
  void broadcast(const at::Tensor& values, int root);
  /// The sum over all ranks, on every rank: in rank order, each addition rounded to the tensor's
  /// type, as one process adds microbatches: sum.copy_(t₀); sum.add_(t₁); … Every rank gets the
  /// same bits.
  void all_reduce_sum(const at::Tensor& values);
  /// The same with a running sum of another type: sum.copy_(mine₀); sum.add_(mine₁); … (so of
  /// bfloat16 tensors in float32). `sum` has the shape of `mine`; it may be `mine`, but must not
  /// overlap it in part.
  void all_reduce_sum(const at::Tensor& mine, const at::Tensor& sum);
  /// Rank r's tensor in all[r], on every rank. Shapes may differ from rank to rank, so rows that do
  /// not divide are gathered into narrowed views of one tensor; `mine` may be all[rank()].
  void all_gather(const at::Tensor& mine, std::span<const at::Tensor> all);

  /// Between two ranks (or with oneself). Messages of one tag arrive in the order in which they
  /// were begun; 0 ≤ tag ≤ 32765. Two ranks that both `send` before they `recv` may wait for each
  /// other for ever; `isend` and `irecv` never block.
  void send(const at::Tensor& values, int to, int tag = 0);
  void recv(const at::Tensor& values, int from, int tag = 0);
  [[nodiscard]] Pending isend(const at::Tensor& values, int to, int tag = 0);
  [[nodiscard]] Pending irecv(const at::Tensor& values, int from, int tag = 0);

  /// From now on, for this one and all that come from the same `connect`. Any thread.
  void set_timeout(double seconds);
  /// The last operations of all that come from the same `connect` (History::write). For reports:
  /// hang-<rank>.json. Any thread.
  void write_history(const std::filesystem::path& path) const;

private:
  Communicator(std::shared_ptr<Shared> shared, std::unique_ptr<Transport> transport,
               std::vector<int> world_ranks);
  template <typename Part>
  void collective(Operation operation, Part&& part);
  std::vector<int> others() const;
  Pending begin(bool is_send, const at::Tensor& values, int peer, int tag);

  std::shared_ptr<Shared> shared_;
  std::unique_ptr<Transport> transport_;
  std::vector<int> world_ranks_;
  int rank_ = 0;
};

}  // namespace fg::comm
