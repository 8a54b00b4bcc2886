#pragma once

#include <memory>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "waiting.hpp"

namespace fg::comm {

/// How the tensors of one group travel. Ranks are the group's; arguments have been checked.
class Transport {
public:
  virtual ~Transport() = default;

  virtual std::unique_ptr<Transfer> send(const at::Tensor& values, int to, int tag,
                                         const Waiting& waiting) = 0;
  virtual std::unique_ptr<Transfer> recv(const at::Tensor& values, int from, int tag,
                                         const Waiting& waiting) = 0;
  virtual std::unique_ptr<Transfer> begin_all_reduce_sum(const at::Tensor& values,
                                                         const Waiting& waiting) = 0;
  virtual void barrier(const Waiting& waiting) = 0;
  virtual void broadcast(const at::Tensor& values, int root, const Waiting& waiting) = 0;
  virtual void all_reduce_sum(const at::Tensor& mine, const at::Tensor& sum,
                              const Waiting& waiting) = 0;
  virtual void all_gather(const at::Tensor& mine, std::span<const at::Tensor> all,
                          const Waiting& waiting) = 0;
  /// Of these members of the group, of which this rank is one.
  virtual std::unique_ptr<Transport> group(const std::vector<int>& members, Traffic traffic,
                                           const Waiting& waiting) = 0;
  virtual void poll() {}
  /// True where operations end later than their calls, and the transport notes it in the history.
  virtual bool notes_ends() const noexcept { return false; }
};

/// One rank: copies. `world_rank` is the rank that messages name.
std::unique_ptr<Transport> local_transport(int world_rank);

/// All ranks of MPI_COMM_WORLD, tensors in host memory. Collective over them.
std::unique_ptr<Transport> mpi_transport(session::Session& session, std::int64_t piece_bytes);

/// The same ranks as `control`, which is MPI's, with tensors on this rank's GPU. Collective over
/// them.
std::unique_ptr<Transport> nccl_transport(std::unique_ptr<Transport> control, at::Device device,
                                          std::vector<int> world_ranks, Traffic traffic,
                                          const Waiting& waiting);
/// Communicator::abort_all.
void abort_nccl();

/// A tag of Communicator::send is below this.
inline constexpr int user_tags = 32766;

}  // namespace fg::comm
