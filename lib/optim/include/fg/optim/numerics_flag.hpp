#pragma once

#include <ATen/core/Tensor.h>

namespace fg::optim {

/// One word beside the parameters that says "a gradient of this step was not finite". Raised by the
/// check of a gradient, read by every update before it writes: once raised, no weight and no
/// optimizer state changes until it is lowered. On a device the kernels read it where it lies.
class NumericsFlag {
public:
  explicit NumericsFlag(at::Device device = at::kCPU);

  void raise();
  void lower();
  /// On a device this waits for it.
  bool raised() const;

  /// int32 [1], for reductions over ranks (by maximum) and for kernels.
  const at::Tensor& value() const noexcept { return value_; }

private:
  at::Tensor value_;
};

/// Σ g² of a gradient (float32 or bfloat16, any row distance), formed in double in an order that
/// does not depend on storage or threads, rounded to float32 at the end. Raises the flag if it is
/// not finite: that is exactly when an element is not, or the norm is beyond what float32 holds.
float check_gradient(const at::Tensor& gradient, NumericsFlag& flag);

}  // namespace fg::optim
