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

  virtual std::unique_ptr<Transfer> send(const at::Tensor& values, int to, int tag) = 0;
  virtual std::unique_ptr<Transfer> recv(const at::Tensor& values, int from, int tag) = 0;
  virtual void barrier(const Waiting& waiting) = 0;
  virtual void broadcast(const at::Tensor& values, int root, const Waiting& waiting) = 0;
  virtual void all_reduce_sum(const at::Tensor& mine, const at::Tensor& sum,
                              const Waiting& waiting) = 0;
  virtual void all_gather(const at::Tensor& mine, std::span<const at::Tensor> all,
                          const Waiting& waiting) = 0;
  /// Of these members of the group, of which this rank is one.
  virtual std::unique_ptr<Transport> group(const std::vector<int>& members,
                                           const Waiting& waiting) = 0;
};

/// One rank: copies. `world_rank` is the rank that messages name.
std::unique_ptr<Transport> local_transport(int world_rank);

/// All ranks of MPI_COMM_WORLD, tensors in host memory. Collective over them.
std::unique_ptr<Transport> mpi_transport(const session::Session& session, std::int64_t piece_bytes);

/// A tag of Communicator::send is below this.
inline constexpr int user_tags = 32766;

}  // namespace fg::comm
