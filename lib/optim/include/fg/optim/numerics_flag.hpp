#pragma once

#include <ATen/core/Tensor.h>

namespace fg::optim {

/// One word beside the parameters that says "a gradient of this step was not finite". Raised by the
/// check of a gradient, read by every update before it writes: once raised, no weight and no
/// optimizer state changes until it is lowered. On a device the kernels raise it and read it where
/// it lies.
class NumericsFlag {
public:
  explicit NumericsFlag(at::Device device = at::kCPU);

  void raise();
  void lower();
  /// On a device this waits for it (and counts that), so nothing inside a step may ask.
  bool raised() const;

  /// int32 [1], for reductions over ranks (by maximum), for kernels, and for device::Readback.
  const at::Tensor& value() const noexcept { return value_; }

private:
  at::Tensor value_;
};

/// Writes Σ g² of a gradient (float32 or bfloat16, any row distance) into `sum`, a float32 of one
/// element on the gradient's device. Formed in an order that depends on the shape alone: on the CPU
/// in double, on a GPU in float32 over 64 elements and in double from there; rounded to float32 at
/// the end. Raises the flag if it is not finite: that is exactly when an element is not, or the
/// norm is beyond what float32 holds.
void check_gradient(const at::Tensor& gradient, NumericsFlag& flag, const at::Tensor& sum);

}  // namespace fg::optim
