#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "element.hpp"

// RMSNorm of rows [rows = tokens · heads, width]; what each does is in fg/ops/rms_norm.hpp. Sums of
// a row: each thread adds its elements in order, then a butterfly over the threads.
namespace fg::ops::kernels {

struct RmsNorm {
  Element element = Element::float32;
  std::int64_t rows = 0;
  std::int64_t heads = 1;
  std::int64_t width = 0;
  Rows input;
  Rows residual;  // of add_rms_norm_forward
  Rows sum;       // of add_rms_norm_forward
  Rows output;
  const void* weight = nullptr;
  float* inverse_rms = nullptr;  // rms_norm_again reads it, the others write it
  float eps = 0.0F;
  bool loses_tail = false;          // planted: columns beyond the last full pack
  bool loses_last_partial = false;  // planted: the last warp's sum
};

cudaError_t rms_norm_forward(const RmsNorm& norm, cudaStream_t stream);
cudaError_t add_rms_norm_forward(const RmsNorm& norm, cudaStream_t stream);
cudaError_t rms_norm_again(const RmsNorm& norm, cudaStream_t stream);

struct RmsNormBackward {
  Element element = Element::float32;
  std::int64_t rows = 0;
  std::int64_t heads = 1;
  std::int64_t width = 0;
  Rows grad_output;
  Rows input;
  Rows grad_residual;  // no data: none
  Rows grad_input;
  const void* weight = nullptr;
  const float* inverse_rms = nullptr;
  void* grad_weight = nullptr;
  float* partials = nullptr;  // fp32 [norm_backward_blocks(), width], of rms_norm_backward
};

cudaError_t rms_norm_backward_input(const RmsNormBackward& norm, cudaStream_t stream);

/// Rows of `partials` that rms_norm_backward wants; 0 where the rows are too wide for it and
/// rms_norm_backward_input and the column sums (column_kernels.hpp) are to be called instead.
std::int64_t norm_backward_blocks(const RmsNormBackward& norm);

/// Both gradients; reads grad_output and input once. Each block sums the weight's gradient over its
/// rows (block, block + blocks, …), the blocks are then added as sum_partials does.
cudaError_t rms_norm_backward(const RmsNormBackward& norm, cudaStream_t stream);

}  // namespace fg::ops::kernels
