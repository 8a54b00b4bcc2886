#include "link.hpp"

#include <chrono>
#include <thread>
#include <utility>

#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

#include "../describe.hpp"
#include "call.hpp"
#include "watch.hpp"

namespace fg::comm {
namespace {

constexpr double seconds_to_end = 10;

}  // namespace

Link::Link(const Start& start, const Waiting& waiting)
    : shared_(waiting.shared().shared_from_this()),
      device_(start.device),
      // Before computing that is ready too: others wait for what is sent.
      stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, start.device.index())),
      comm_(start_nccl(start, stream_, waiting)) {}

std::shared_ptr<Link::Queued> Link::queue(const Waiting& waiting, const Part& part) {
  static const bool begins_early = fault_planted("comm.nccl_begins_early");
  Watch::of_process().rethrow();
  auto queued = std::make_shared<Queued>();
  queued->operation = waiting.operation();
  queued->number = waiting.number();
  const c10::cuda::CUDAGuard guard(device_);
  at::cuda::CUDAEvent ready;
  ready.record(c10::cuda::getCurrentCUDAStream(device_.index()));
  if (!begins_early) ready.block(stream_);
  queued->begin.record(stream_);
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_)
      fail(ExitCode::rank_lost, describe(queued->operation) + ": its communicator was aborted");
    calling_ = queued;
    calling_for_.moved();
  }
  try {
    part(comm_, stream_.stream());
    queued->end.record(stream_);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    calling_.reset();
    throw;
  }
  const std::lock_guard lock(mutex_);
  calling_.reset();
  queue_.push_back(queued);
  return queued;
}

void Link::order_current_behind(const Queued& queued) const {
  static const bool forgets = fault_planted("comm.nccl_wait_unordered");
  const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream(device_.index());
  if (!forgets) const_cast<at::cuda::CUDAEvent&>(queued.end).block(current);
}

void Link::keep(Queued& queued, at::Tensor values) {
  const std::lock_guard lock(mutex_);
  queued.kept = std::move(values);
}

std::optional<std::string> Link::look() {
  c10::cuda::set_device(device_.index());      // or CUDA would make itself at home on the first GPU
  std::vector<std::shared_ptr<Queued>> ended;  // freed behind the lock
  const std::lock_guard lock(mutex_);
  if (is_closed_) return std::nullopt;
  ncclResult_t result = ncclSuccess;
  nccl_check(ncclCommGetAsyncError(comm_, &result), "ncclCommGetAsyncError");
  if (result != ncclInProgress) nccl_check(result, "an operation under way");
  while (!queue_.empty()) {
    Queued& first = *queue_.front();
    if (!first.begun && first.begin.query()) first.begun.emplace();
    if (!first.begun || !first.end.query()) break;
    shared_->history.end(first.number);
    ended.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return find_stall();
}

/// Time counts from when an operation could run: the host queues it long before.
std::optional<std::string> Link::find_stall() {
  const auto sentence = [&](const Operation& operation, double seconds) {
    return waited_too_long(operation, shared_->world_rank, seconds, operation.peers);
  };
  if (!queue_.empty() && queue_.front()->begun) {
    const double seconds = queue_.front()->begun->seconds();
    if (seconds > shared_->timeout_s) return sentence(queue_.front()->operation, seconds);
  }
  if (calling_) {
    const double seconds = calling_for_.seconds();
    if (seconds > shared_->timeout_s) return sentence(calling_->operation, seconds);
  }
  return std::nullopt;
}

ncclComm_t Link::take_comm() {
  const std::lock_guard lock(mutex_);
  return std::exchange(is_closed_, true) ? nullptr : comm_;
}

void Link::abort() noexcept {
  if (const ncclComm_t comm = take_comm()) give_back(comm, false);
}

void Link::give_back(ncclComm_t comm, bool is_sound) const noexcept {
  try {
    c10::cuda::set_device(device_.index());
  } catch (const std::exception&) {  // a GPU that has failed: NCCL may still come to an end
  }
  is_sound ? ncclCommDestroy(comm) : ncclCommAbort(comm);  // nobody is left to tell
}

/// True once nothing is under way any more; the watch sees to it that this ends.
bool Link::drain() {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (is_closed_) return false;
      if (queue_.empty()) return true;
    }
    if (Watch::of_process().has_failed()) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
}

void Link::close() noexcept {
  try {
    const bool is_sound = std::uncaught_exceptions() == 0 && drain();
    Watch::of_process().remove(*this);
    if (const ncclComm_t comm = take_comm())
      ends_within(seconds_to_end,
                  [=, self = shared_from_this()] { self->give_back(comm, is_sound); });
  } catch (...) {  // no thread to be had: what is left ends with the process
  }
}

}  // namespace fg::comm
