#pragma once

#include <ATen/core/Tensor.h>

namespace fg::ops {

/// What clipping and the policy for bad numbers need of one logical tensor's gradient, in one pass:
/// `sum_of_squares` (one fp32 element) is overwritten, `not_finite` (one int32 element) becomes 1
/// where an element is infinite or NaN and is left alone otherwise. The squares are summed in fp64
/// by blocks of 4096 elements in their order and rounded once: the same bits for any number of
/// threads. `gradient` is contiguous.
void gradient_stats(const at::Tensor& gradient, at::Tensor& sum_of_squares, at::Tensor& not_finite);

}  // namespace fg::ops
