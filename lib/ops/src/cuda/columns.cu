#include "column_kernels.hpp"
#include "device.cuh"
#include "launch.hpp"

namespace fg::ops::kernels {
namespace {

constexpr int lanes = 32;   // packs of a row that a block takes
constexpr int stripes = 8;  // rows at a time, one a warp
constexpr int batch = 4;    // rows that a warp has under way

/// Sums of `lanes` packs' columns over the rows [first, last) of the block.
template <typename P, bool scales_input>
__global__ void __launch_bounds__(lanes* stripes)
    column_partials(const ColumnSums sums, std::int64_t rows_per_block) {
  using T = typename P::Type;
  using Raw = typename P::Raw;
  __shared__ float by_stripe[stripes][lanes * P::count];
  const std::int64_t unit = std::int64_t{blockIdx.x} * lanes + threadIdx.x;
  const bool has_columns = unit < sums.width / P::count;
  const std::int64_t first = std::int64_t{blockIdx.y} * rows_per_block;
  const std::int64_t end = first + rows_per_block;
  const std::int64_t last = end < sums.rows ? end : sums.rows;

  float own[P::count] = {};
  for (std::int64_t base = first + threadIdx.y; has_columns && base < last;
       base += stripes * batch) {
    Raw gradient[batch];
    Raw input[batch];
    float inverse[batch];
#pragma unroll
    for (int index = 0; index < batch; ++index) {
      const std::int64_t row = base + index * stripes;
      if (row >= last) continue;
      const Place place = place_of(row, sums.heads);
      gradient[index] = load<P>(row_at<const T>(sums.gradient, place), unit);
      if constexpr (scales_input) {
        input[index] = load<P>(row_at<const T>(sums.input, place), unit);
        inverse[index] = sums.inverse_rms[row];
      }
    }
#pragma unroll
    for (int index = 0; index < batch; ++index) {
      if (base + index * stripes >= last) continue;
      float values[P::count];
      P::unpack(gradient[index], values);
      if constexpr (scales_input) {
        float x[P::count];
        P::unpack(input[index], x);
#pragma unroll
        for (int at = 0; at < P::count; ++at) values[at] *= x[at] * inverse[index];
      }
#pragma unroll
      for (int at = 0; at < P::count; ++at) own[at] += values[at];
    }
  }
#pragma unroll
  for (int at = 0; at < P::count; ++at)
    by_stripe[threadIdx.y][threadIdx.x * P::count + at] = own[at];
  __syncthreads();
  const int thread = static_cast<int>(threadIdx.y * lanes + threadIdx.x);
  const std::int64_t column = std::int64_t{blockIdx.x} * lanes * P::count + thread;
  if (thread >= lanes * P::count || column >= sums.width) return;
  float sum = 0.0F;
#pragma unroll
  for (int stripe = 0; stripe < stripes; ++stripe) sum += by_stripe[stripe][thread];
  sums.partials[std::int64_t{blockIdx.y} * sums.width + column] = sum;
}

template <typename P>
__global__ void __launch_bounds__(1024)
    add_partials(const float* partials, std::int64_t blocks, std::int64_t width, void* output) {
  __shared__ float running[32][32];
  const std::int64_t column = std::int64_t{blockIdx.x} * 32 + threadIdx.x;
  float sum = 0.0F;
  if (column < width) {
#pragma unroll 8
    for (std::int64_t block = threadIdx.y; block < blocks; block += 32)
      sum += partials[block * width + column];
  }
  running[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || column >= width) return;
  float total[1] = {0.0F};
#pragma unroll
  for (int index = 0; index < 32; ++index) total[0] += running[index][threadIdx.x];
  store<P>(static_cast<typename P::Type*>(output), column, P::pack(total));
}

bool is_packed(const ColumnSums& sums) {
  return fits_packs(sums.element, sums.width, {sums.gradient, sums.input});
}

/// Blocks that share a row.
std::int64_t column_blocks(const ColumnSums& sums) {
  const std::int64_t count = is_packed(sums) ? pack_count(sums.element) : 1;
  return ceil_div(sums.width, lanes * count);
}

std::int64_t rows_per_block(const ColumnSums& sums) {
  return std::max<std::int64_t>(1, ceil_div(sums.rows, column_sum_blocks(sums)));
}

}  // namespace

std::int64_t column_sum_blocks(const ColumnSums& sums) {
  // As many as run at once, and none with fewer rows than a batch of each of its stripes.
  const std::int64_t wanted = multiprocessors * 8 / std::max<std::int64_t>(1, column_blocks(sums));
  const std::int64_t most = ceil_div(sums.rows, stripes * batch);
  return std::max<std::int64_t>(1, std::min(wanted, most));
}

cudaError_t column_sums(const ColumnSums& sums, cudaStream_t stream) {
  if (sums.width == 0) return cudaSuccess;
  const std::int64_t blocks = column_sum_blocks(sums);
  const std::int64_t rows = rows_per_block(sums);
  const dim3 grid(static_cast<unsigned>(column_blocks(sums)), static_cast<unsigned>(blocks));
  const cudaError_t code = with_pack(sums.element, is_packed(sums), [&](auto pack) {
    using P = decltype(pack);
    if (sums.input.data != nullptr)
      column_partials<P, true><<<grid, dim3(lanes, stripes), 0, stream>>>(sums, rows);
    else
      column_partials<P, false><<<grid, dim3(lanes, stripes), 0, stream>>>(sums, rows);
  });
  if (code != cudaSuccess) return code;
  return sum_partials(sums.partials, blocks, sums.width, sums.element, sums.output, stream);
}

cudaError_t sum_partials(const float* partials, std::int64_t blocks, std::int64_t width,
                         Element element, void* output, cudaStream_t stream) {
  if (width == 0) return cudaSuccess;
  const auto grid = static_cast<unsigned>(ceil_div(width, 32));
  const dim3 threads(32, 32);
  if (element == Element::bfloat16)
    add_partials<Pack<__nv_bfloat16, 1>>
        <<<grid, threads, 0, stream>>>(partials, blocks, width, output);
  else
    add_partials<Pack<float, 1>><<<grid, threads, 0, stream>>>(partials, blocks, width, output);
  return cudaGetLastError();
}

}  // namespace fg::ops::kernels
