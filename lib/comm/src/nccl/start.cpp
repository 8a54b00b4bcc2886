#include "start.hpp"

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/device/cuda_call.hpp>
#include <fg/session/idle_time.hpp>
#include <fg/session/pulse.hpp>

#include "call.hpp"

namespace fg::comm {
namespace {

/// The most multiprocessors that a group takes, unless it is for any traffic. One carries 17 GB/s
/// over NVLink, and 2 MiB are on their way through it to where nobody receives yet (measured on two
/// H200).
int most_ctas(Traffic traffic) {
  return traffic == Traffic::near_messages || traffic == Traffic::background_sums ? 8 : 2;
}

/// NCCL connects two ranks when they first meet in an operation, and the host waits for that.
void connect(ncclComm_t comm, const Start& start, const c10::cuda::CUDAStream& stream) {
  const c10::cuda::CUDAStreamGuard guard(stream);
  const at::Tensor numbers = at::zeros({2}, at::TensorOptions(at::kFloat).device(start.device));
  float* const first = numbers.data_ptr<float>();
  const bool is_for_messages =
      start.traffic == Traffic::messages || start.traffic == Traffic::near_messages;
  if (is_for_messages && start.ranks == 2) {
    const int peer = 1 - start.rank;
    nccl_check(ncclGroupStart(), "ncclGroupStart");
    nccl_check(ncclSend(first, 1, ncclFloat32, peer, comm, stream.stream()), "ncclSend");
    nccl_check(ncclRecv(first + 1, 1, ncclFloat32, peer, comm, stream.stream()), "ncclRecv");
    nccl_check(ncclGroupEnd(), "ncclGroupEnd");
  } else {
    nccl_check(ncclAllReduce(first, first, 2, ncclFloat32, ncclSum, comm, stream.stream()),
               "ncclAllReduce");
  }
  device::check(cudaStreamSynchronize(stream.stream()), "cudaStreamSynchronize");
}

ncclComm_t make(const Start& start, const c10::cuda::CUDAStream& stream) {
  fail_point("comm.before_nccl_start");
  c10::cuda::set_device(start.device.index());
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  if (start.traffic != Traffic::any) config.maxCTAs = most_ctas(start.traffic);
  ncclComm_t comm = nullptr;
  nccl_check(ncclCommInitRankConfig(&comm, start.ranks, start.id, start.rank, &config),
             "ncclCommInitRankConfig");
  connect(comm, start, stream);
  return comm;
}

}  // namespace

ncclComm_t start_nccl(const Start& start, const c10::cuda::CUDAStream& stream,
                      const Waiting& waiting) {
  // NCCL waits for its peers without end here, so it does that on a thread that can be left behind.
  std::packaged_task<ncclComm_t()> task([start, stream] { return make(start, stream); });
  std::future<ncclComm_t> made = task.get_future();
  std::thread(std::move(task)).detach();
  const Shared& shared = waiting.shared();
  std::vector<int> peers = waiting.operation().peers;
  std::erase(peers, shared.world_rank);
  session::LongWait wait("the start of NCCL");
  session::IdleTime idle_time;
  while (made.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
    const double waited_s = idle_time.seconds();
    if (waited_s > shared.timeout_s) {
      const Operation operation{"the start of NCCL", "", 0, {}, std::nullopt};
      fail(ExitCode::hang, waited_too_long(operation, shared.world_rank, waited_s, peers));
    }
    if (shared.options.while_waiting) shared.options.while_waiting();
    wait.note(waited_s, [&] { return peers; });
  }
  return made.get();
}

bool ends_within(double seconds, std::function<void()> part) {
  std::packaged_task<void()> task(std::move(part));
  const std::future<void> end = task.get_future();
  std::thread(std::move(task)).detach();
  return end.wait_for(std::chrono::duration<double>(seconds)) == std::future_status::ready;
}

}  // namespace fg::comm
