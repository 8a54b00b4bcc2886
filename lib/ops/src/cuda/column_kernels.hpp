#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "element.hpp"

// Sums over the rows of a matrix, column by column, in an order that depends on its shape alone.
namespace fg::ops::kernels {

struct ColumnSums {
  Element element = Element::float32;
  std::int64_t rows = 0;
  std::int64_t heads = 1;
  std::int64_t width = 0;
  Rows gradient;
  Rows input;                          // no data: the sums of `gradient` alone
  const float* inverse_rms = nullptr;  // with `input`: of gradient · (input · inverse_rms[row])
  float* partials = nullptr;           // fp32 [column_sum_blocks(), width]
  void* output = nullptr;              // [width]
};

/// Rows of `partials` that column_sums wants; at least one.
std::int64_t column_sum_blocks(const ColumnSums& sums);
cudaError_t column_sums(const ColumnSums& sums, cudaStream_t stream);

/// output[c] = the sum over b of partials[b][c], rounded once: 32 running sums (b, b + 32, …), then
/// these in their order. Zero without blocks.
cudaError_t sum_partials(const float* partials, std::int64_t blocks, std::int64_t width,
                         Element element, void* output, cudaStream_t stream);

}  // namespace fg::ops::kernels
