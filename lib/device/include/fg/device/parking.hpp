#pragma once

#include <deque>
#include <memory>

#include <ATen/core/Tensor.h>

namespace fg::device {

/// A tensor that waits in pinned host memory. Made by Parking.
struct Parked {
  at::Tensor host;
  at::Tensor back;                // on the device again, once fetched
  std::shared_ptr<void> arrived;  // when `host` is whole, then when `back` is
};

/// Moves tensors of one GPU to the host and back on a stream of their own, beside the work on the
/// current stream and in order with it; the host never waits. Two tensors at most are on their way
/// out, so the memory of those before is free. On the CPU a parked tensor stays where it is. One
/// thread at a time.
class Parking {
public:
  explicit Parking(at::Device device);

  /// Begins to move `tensor` out. The caller lets go of it, and nobody changes it.
  std::shared_ptr<Parked> park(const at::Tensor& tensor);
  /// Begins to bring it back.
  void fetch(Parked& parked);
  /// The tensor, for work queued from now on; fetches it if that has not begun.
  at::Tensor take(Parked& parked);

private:
  struct Leaving {
    at::Tensor tensor;
    std::shared_ptr<void> left;
  };

  at::Device device_;
  std::shared_ptr<void> stream_;
  std::deque<Leaving> leaving_;
};

}  // namespace fg::device
