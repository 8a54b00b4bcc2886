#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

namespace fg::ops::kernels {

/// Rows of 16-bit or 32-bit elements, contiguous, moved by their numbers.
struct RowCopy {
  const void* from = nullptr;
  void* to = nullptr;
  const std::int64_t* numbers = nullptr;  // [rows]
  std::int64_t rows = 0;
  std::int64_t row_bytes = 0;
};
/// to[r] = from[numbers[r]].
cudaError_t gather_rows(const RowCopy& args, cudaStream_t stream);
/// to[numbers[r]] = from[r]; the numbers differ.
cudaError_t scatter_rows(const RowCopy& args, cudaStream_t stream);

/// Losses of rows of logits, and in place their gradient scale · (softmax − one hot): zero in the
/// padding columns [columns, stride) and in the rows from `rows` to `all_rows`.
struct SoftmaxLoss {
  void* logits = nullptr;  // [all_rows, stride], bfloat16 or float32
  bool is_bfloat16 = true;
  std::int64_t rows = 0;
  std::int64_t all_rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;                // a multiple of 8
  const std::int64_t* targets = nullptr;  // [rows]
  float* losses = nullptr;                // [rows]
  float scale = 0;
  bool wants_gradient = false;
};
cudaError_t softmax_loss(const SoftmaxLoss& args, cudaStream_t stream);

}  // namespace fg::ops::kernels
