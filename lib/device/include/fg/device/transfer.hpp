#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

namespace fg::device {

/// `host`'s values on `device`: through pinned memory, behind the work already queued there, and
/// without waiting for it; `host` may change at once. For the CPU `host` itself.
at::Tensor upload(const at::Tensor& host, at::Device device);

/// A tensor's values on their way to the host: read once the work queued before is done. For a CPU
/// tensor a copy that is there at once.
class Readback {
public:
  Readback() = default;
  explicit Readback(const at::Tensor& source);

  bool is_pending() const noexcept { return host_.defined(); }
  /// The values, on the CPU. Waits where they are not there yet (and counts that).
  const at::Tensor& values();

private:
  at::Tensor host_;
  std::shared_ptr<void> arrived_;  // an event; nothing once waited for
};

}  // namespace fg::device
