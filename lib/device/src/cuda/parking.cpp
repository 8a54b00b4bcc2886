#include <ATen/cuda/CUDAEvent.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <fg/base/failpoint.hpp>
#include <fg/device/parking.hpp>

namespace fg::device {
namespace {

using at::cuda::CUDAEvent;
using c10::cuda::CUDAStream;

/// The copy stream, behind all that is queued on the current one.
CUDAStream follow(const std::shared_ptr<void>& stream, at::Device device) {
  const CUDAStream copies = *static_cast<CUDAStream*>(stream.get());
  CUDAEvent queued;
  queued.record(c10::cuda::getCurrentCUDAStream(device.index()));
  queued.block(copies);
  return copies;
}

std::shared_ptr<void> mark(const CUDAStream& stream) {
  auto event = std::make_shared<CUDAEvent>();
  event->record(stream);
  return event;
}

void current_waits_for(const std::shared_ptr<void>& event, at::Device device) {
  static_cast<CUDAEvent*>(event.get())->block(c10::cuda::getCurrentCUDAStream(device.index()));
}

}  // namespace

Parking::Parking(at::Device device) : device_(device) {
  if (device.is_cuda())
    stream_ = std::make_shared<CUDAStream>(
        c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device.index()));
}

std::shared_ptr<Parked> Parking::park(const at::Tensor& tensor) {
  auto parked = std::make_shared<Parked>();
  if (device_.is_cpu()) {
    parked->back = tensor;
    return parked;
  }
  constexpr std::size_t most_leaving = 2;
  parked->host = at::empty(tensor.sizes(), tensor.options().device(at::kCPU).pinned_memory(true));
  const CUDAStream copies = follow(stream_, device_);
  {
    const c10::cuda::CUDAStreamGuard guard(copies);
    parked->host.copy_(tensor, /*non_blocking=*/true);
  }
  parked->arrived = mark(copies);
  leaving_.push_back({tensor, parked->arrived});
  if (leaving_.size() > most_leaving) {
    // Its memory belongs to the current stream again only when the copy is done.
    current_waits_for(leaving_.front().left, device_);
    leaving_.pop_front();
  }
  return parked;
}

void Parking::fetch(Parked& parked) {
  if (parked.back.defined()) return;
  for (; !leaving_.empty(); leaving_.pop_front()) current_waits_for(leaving_.front().left, device_);
  parked.back = at::empty(parked.host.sizes(), parked.host.options().device(device_));
  const CUDAStream copies = follow(stream_, device_);
  {
    const c10::cuda::CUDAStreamGuard guard(copies);
    parked.back.copy_(parked.host, /*non_blocking=*/true);
  }
  parked.arrived = mark(copies);
}

at::Tensor Parking::take(Parked& parked) {
  static const bool forgets = fault_planted("device.cuda_stale_offload");
  fetch(parked);
  if (parked.arrived != nullptr && !forgets) current_waits_for(parked.arrived, device_);
  parked.host = at::Tensor();
  return parked.back;
}

}  // namespace fg::device
