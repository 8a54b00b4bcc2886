#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <fg/comm/history.hpp>
#include <fg/session/session.hpp>

namespace fg::comm {

/// What goes before each message in host memory.
inline constexpr std::size_t message_header_bytes = 96;

class Transfer;
class Transport;
class Waiting;
struct Shared;

/// What a group is for, equal on its members; of account for tensors on GPUs alone.
enum class Traffic {
  any,
  /// Sums of few numbers: NCCL takes no more multiprocessors than for messages, and so a tenth of
  /// the GPU memory that it would take by itself.
  numbers,
  /// Sums beside the computing, whose time counts more than theirs: 8 multiprocessors, which move
  /// some 150 GB/s over NVLink and take less of the computing than as many as NCCL likes do.
  background_sums,
  /// Messages over a slow link: NCCL takes few of a GPU's multiprocessors. A receive begins when it
  /// is issued, beside the computing, which it slows down while it waits: by 4 to 13 % on an H200.
  messages,
  /// Messages between GPUs of one machine, the computing's time before the messages': a receive
  /// begins, in its place among the group's operations, only when its Pending is asked or another
  /// operation of the group is issued. A message of up to 16 MiB leaves its sender before that.
  near_messages,
};

struct Options {
  /// A wait ends with Error(hang) once nothing has moved for so long. The peers are named.
  double timeout_s = 600;
  /// Called some times a second while the host waits, from the thread that waits; may throw, which
  /// ends the wait. For phases in which a signal ends the program: session::check_for_stop.
  std::function<void()> while_waiting;
  /// Longer messages travel in pieces of this size (MPI counts to 2³¹ − 1, and one piece of 256 MiB
  /// took twice as long as sixteen: measured). At most 64 MiB, equal on all ranks.
  std::int64_t piece_bytes = 16 << 20;
  /// Tensors on GPUs: an operation has been under way there (or a call of NCCL on the host) for
  /// longer than `timeout_s`. Called once, from a thread of comm's, with one sentence that names
  /// operation, tensor, ranks and seconds; to end the job, for nobody else waits for an end. If it
  /// returns, every NCCL communicator of the process is aborted and the next call of comm throws
  /// Error(hang). Without one: the sentence on standard error, abort_all, exit with code 7.
  std::function<void(const std::string& sentence)> on_stall;
  /// For measuring pipelines on one machine: each message (send, recv) takes at least its bytes
  /// over this rate, and what a rank sends leaves it one after the other, as over one wire. The
  /// receiver has it no earlier. 0: as fast as it goes. Collectives are not slowed down. Equal on
  /// all ranks, which must share the machine's clock; tensors on GPUs are held up by a kernel that
  /// spins on one multiprocessor of the sender.
  double simulate_bytes_per_second = 0;
  /// What the group of all ranks is for.
  Traffic traffic = Traffic::any;
};

/// Something under way. Holds its tensor, whose memory must not be touched (of a send: not be
/// written) before `wait` has returned. A message that is dropped before it is complete is given
/// up: its communicator is then of no more use. Tensors on a GPU: may be dropped at any time, the
/// memory is kept until it is done.
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
  /// Tensors on a GPU: returns at once; what is queued on the current stream from now on comes
  /// after it. The stream must be the one that the tensor's memory belongs to.
  void wait();

private:
  friend class Communicator;
  struct State;
  explicit Pending(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

/// An ordered group of ranks that exchange tensors. Ranks are counted within the group unless they
/// are called world ranks. Transports: copies (a group of one), MPI (host memory) and NCCL (GPUs,
/// one a rank).
///
/// Collectives (all members call them, in the same order): `group`, `barrier`, `broadcast`,
/// `all_reduce_sum`, `begin_all_reduce_sum`, `all_gather`. They return when this rank's part is
/// complete. Past the time-out: Error(hang) naming operation, tensor, peers and seconds. After an
/// error a communicator is of no more use and the job must end (Session::abort where the other
/// ranks do not know).
///
/// Tensors are contiguous and on the communicator's device, of at most 8 dimensions, else
/// Error(bug). Any type can be moved, byte for byte; sums are of float32, bfloat16, float64, int64
/// and int32, else Error(bug).
///
/// Tensors in host memory: every message carries what its sender believes: another operation, type
/// or shape on a peer is Error(ranks_disagree) on at least one of them, naming both.
///
/// Tensors on a GPU: every operation is queued, and the host never waits for it. It begins when
/// what was queued before on the current stream is done, on a stream of the communicator's own,
/// beside the computing; when a call without Pending returns, what is queued later on the current
/// stream comes after it. The operations of one communicator are carried out in the order of issue,
/// messages too, which have no tags there (they are ignored): two ranks must issue what passes
/// between them in the same order. Two that both send first wait for each other for ever; a receive
/// may be issued long before its message, and messages in the other direction go by another group
/// beside. Shapes are not compared: ranks that disagree hang, which the time-out ends
/// (Options::on_stall). An error that NCCL meets later aborts all its communicators and is thrown,
/// Error(rank_lost), by the next call of any of them. Only `barrier` and `group` wait on the host,
/// and the first operation of its kind, in which NCCL makes its connections.
///
/// One thread at a time a communicator; several communicators may be used by several threads.
/// To be destroyed before the session. On GPUs that is collective: it waits for what is under way.
class Communicator {
public:
  /// All ranks, in their order. Collective over the session. `device`: where the tensors live: the
  /// CPU or this rank's GPU, then after device::use(device); the same kind on all ranks.
  static std::unique_ptr<Communicator> connect(session::Session& session, Options options = {},
                                               at::Device device = at::kCPU);

  /// Aborts all NCCL communicators of the process, so that nothing on the GPU waits for a peer any
  /// more and the process can end. Returns after at most 10 s, whether NCCL has come to an end or
  /// not. Every later call of them is Error(rank_lost). Any thread; for errors.
  static void abort_all();

  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  ~Communicator();

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return static_cast<int>(world_ranks_.size()); }
  const std::vector<int>& world_ranks() const noexcept { return world_ranks_; }

  /// A communicator of these world ranks, in this order. Collective over them alone; all must be
  /// members of this one and this rank among them, else Error(bug).
  std::unique_ptr<Communicator> group(const std::vector<int>& world_ranks,
                                      Traffic traffic = Traffic::any);

  /// Ranks meet, on the host: work that is queued on GPUs may still go on.
  void barrier();
  /// The tensor of rank `root` on every rank.
  void broadcast(const at::Tensor& values, int root);
  /// The sum over all ranks, on every rank: in rank order, each addition rounded to the tensor's
  /// type, as one process adds microbatches: sum.copy_(t₀); sum.add_(t₁); … Every rank gets the
  /// same bits. On GPUs the order is NCCL's own (docs/numerics.md).
  void all_reduce_sum(const at::Tensor& values);
  /// The same with a running sum of another type: sum.copy_(mine₀); sum.add_(mine₁); … (so of
  /// bfloat16 tensors in float32). `sum` has the shape of `mine`; it may be `mine`, but must not
  /// overlap it in part.
  void all_reduce_sum(const at::Tensor& mine, const at::Tensor& sum);
  /// all_reduce_sum(values), with the same bits, beside what this thread goes on to do: in host
  /// memory by a thread of the communicator's own. Several may be under way; they are carried out
  /// in the order in which they were begun, the same on all members. Until all are complete,
  /// nothing else may be called on a communicator in host memory but this, `poll` and their
  /// Pending: Error(bug). Other communicators may be used.
  [[nodiscard]] Pending begin_all_reduce_sum(const at::Tensor& values);
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

  /// Moves on what is under way, in microseconds. Nobody moves messages in host memory while a rank
  /// computes, so long computations are cut by this. Throws what NCCL has met (see above).
  void poll();

  /// From now on, for this one and all that come from the same `connect`. Any thread.
  void set_timeout(double seconds);
  double timeout() const noexcept;
  /// The last operations of all that come from the same `connect` (History::write). For reports:
  /// hang-<rank>.json. Any thread.
  void write_history(const std::filesystem::path& path) const;

private:
  Communicator(std::shared_ptr<Shared> shared, std::unique_ptr<Transport> transport,
               std::vector<int> world_ranks);
  template <typename Part>
  void collective(Operation operation, Part&& part);
  std::vector<int> others() const;
  Pending begin(Operation operation,
                std::function<std::unique_ptr<Transfer>(const Waiting&)> start);
  Pending message(bool is_send, const at::Tensor& values, int peer, int tag);

  std::shared_ptr<Shared> shared_;
  std::unique_ptr<Transport> transport_;
  std::vector<int> world_ranks_;
  int rank_ = 0;
};

}  // namespace fg::comm
