#include <ATen/cuda/CUDAEvent.h>
#include <ATen/ops/empty.h>

#include <fg/base/error.hpp>
#include <fg/device/cuda_call.hpp>
#include <fg/device/transfer.hpp>

namespace fg::device {
namespace {

/// Pinned, from LibTorch's pool: a piece is used again once the copies that read it are done.
at::Tensor empty_pinned(const at::Tensor& like) {
  return at::empty(like.sizes(), like.options().device(at::kCPU).pinned_memory(true));
}

}  // namespace

at::Tensor upload(const at::Tensor& host, at::Device device) {
  FG_CHECK(host.device().is_cpu());
  if (device.is_cpu()) return host;
  const at::Tensor pinned = host.is_pinned() ? host : empty_pinned(host).copy_(host);
  return at::empty(host.sizes(), host.options().device(device))
      .copy_(pinned, /*non_blocking=*/true);
}

Readback::Readback(const at::Tensor& source) {
  if (source.device().is_cpu()) {
    host_ = source.clone();
    return;
  }
  host_ = empty_pinned(source);
  host_.copy_(source, /*non_blocking=*/true);
  auto event = std::make_shared<at::cuda::CUDAEvent>();
  event->record();
  arrived_ = std::move(event);
}

const at::Tensor& Readback::values() {
  FG_CHECK(is_pending());
  if (arrived_ != nullptr) {
    auto& event = *static_cast<at::cuda::CUDAEvent*>(arrived_.get());
    if (!event.query()) {
      count_wait();
      event.synchronize();
    }
    arrived_.reset();
  }
  return host_;
}

}  // namespace fg::device
