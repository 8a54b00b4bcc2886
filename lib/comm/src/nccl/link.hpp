#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include <fg/session/idle_time.hpp>

#include "../waiting.hpp"
#include "start.hpp"

namespace fg::comm {

/// One communicator of NCCL, its stream, and the operations on it that are not over. Used by one
/// thread, and by the watch.
class Link : public std::enable_shared_from_this<Link> {
public:
  struct Queued {
    Operation operation;
    std::uint64_t number = 0;
    at::cuda::CUDAEvent begin;  // when all that the operation waits for on this GPU is done
    at::cuda::CUDAEvent end;
    std::optional<session::IdleTime> begun;  // since the watch saw `begin` done
    at::Tensor kept;                         // memory that nobody else holds
  };

  /// Collective. Error(hang), Error(rank_lost).
  Link(const Start& start, const Waiting& waiting);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Calls `part`, which is to queue one operation of NCCL on the stream it is given, behind all
  /// that is queued on the current stream.
  using Part = std::function<void(ncclComm_t comm, cudaStream_t stream)>;
  std::shared_ptr<Queued> queue(const Waiting& waiting, const Part& part);
  /// What is queued on the current stream from now on comes after the operation.
  void order_current_behind(const Queued& queued) const;
  /// Keeps the memory until the operation is over.
  void keep(Queued& queued, at::Tensor values);

  /// Waits until all is over, and gives NCCL's communicator back; after an error only the latter.
  void close() noexcept;

  /// For the watch: notes what has ended. A sentence if something takes longer than the time-out;
  /// throws NCCL's asynchronous errors.
  std::optional<std::string> look();
  /// Any thread. Once, later calls do nothing.
  void abort() noexcept;
  Shared& shared() const noexcept { return *shared_; }

private:
  std::optional<std::string> find_stall();
  bool drain();
  ncclComm_t take_comm();
  void give_back(ncclComm_t comm, bool is_sound) const noexcept;

  std::shared_ptr<Shared> shared_;
  at::Device device_;
  c10::cuda::CUDAStream stream_;
  ncclComm_t comm_;
  std::mutex mutex_;  // over all below
  bool is_closed_ = false;
  std::deque<std::shared_ptr<Queued>> queue_;
  std::shared_ptr<Queued> calling_;  // that a call of NCCL on the host is about
  session::IdleTime calling_for_;
};

}  // namespace fg::comm
