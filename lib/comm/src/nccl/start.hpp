#pragma once

#include <functional>

#include <c10/core/Device.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include "../waiting.hpp"

namespace fg::comm {

/// What a communicator of NCCL is made of.
struct Start {
  ncclUniqueId id{};  // one that only its ranks know
  int rank = 0;
  int ranks = 0;
  at::Device device = at::kCUDA;
  Traffic traffic = Traffic::any;
};

/// Makes it, with its first connections: those of a sum, or of messages between the two of a pair.
/// `stream` is used meanwhile. Collective. Error(hang) past the time-out, Error(rank_lost).
ncclComm_t start_nccl(const Start& start, const c10::cuda::CUDAStream& stream,
                      const Waiting& waiting);

/// Runs `part` on a thread of its own. False if it has not ended after so many seconds; then it is
/// left to itself.
bool ends_within(double seconds, std::function<void()> part);

}  // namespace fg::comm
