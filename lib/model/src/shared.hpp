#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

// What the blocks share.
namespace fg::model {

/// Memory for sums over activations like `like`: fp32, or fp64 for fp64.
inline at::Tensor empty_sums(const at::Tensor& like, at::IntArrayRef shape) {
  return at::empty(
      shape, like.options().dtype(like.scalar_type() == at::kDouble ? at::kDouble : at::kFloat));
}

}  // namespace fg::model
