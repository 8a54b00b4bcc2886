#include "eight.cuh"
#include "kernels.hpp"
#include "sums.cuh"

namespace fg::optim::kernels {
namespace {

constexpr int warps = 8;
constexpr int rows_a_warp = static_cast<int>(tile_rows) / warps;
constexpr int columns_a_tile = static_cast<int>(tile_columns);

// A warp has eight rows of the tile, a lane eight columns of them: eight loads are under way at
// once.
template <typename T, bool Vector, bool Sides>
__global__ void __launch_bounds__(32 * warps) measure_kernel(const Measure args) {
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t across = args.tiles.across();
  const std::int64_t down_at = blockIdx.x / across, across_at = blockIdx.x % across;
  const std::int64_t row = down_at * tile_rows + warp * rows_a_warp;
  const std::int64_t column = across_at * tile_columns + lane * 8;
  const std::int64_t left = args.tiles.columns - column;
  const int count = left < 8 ? (left < 0 ? 0 : static_cast<int>(left)) : 8;
  const T* from = static_cast<const T*>(args.x.data) + row * args.x.stride + column;

  Eight<T> raw[rows_a_warp] = {};
#pragma unroll
  for (int i = 0; i < rows_a_warp; ++i)
    if (count > 0 && row + i < args.tiles.rows)
      raw[i] = load_eight<Vector>(from + i * args.x.stride, count);

  float columns[8] = {};
  float row_sum = 0;  // lane i has that of row i
#pragma unroll
  for (int i = 0; i < rows_a_warp; ++i) {
    float x[8];
    unpack(raw[i], x);
    float sum = 0;
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      sum = fmaf(x[j], x[j], sum);
      if constexpr (Sides) columns[j] = fmaf(x[j], x[j], columns[j]);
    }
    sum = warp_sum(sum);
    if (lane == i) row_sum = sum;
  }

  __shared__ float row_sums[tile_rows];
  if (lane < rows_a_warp) row_sums[warp * rows_a_warp + lane] = row_sum;
  if constexpr (Sides) {
    if (lane < rows_a_warp && row + lane < args.tiles.rows)
      args.row_sums[across_at * args.tiles.rows + row + lane] = row_sum;
    __shared__ float column_sums[warps][columns_a_tile];
#pragma unroll
    for (int j = 0; j < 8; ++j) column_sums[warp][lane * 8 + j] = columns[j];
    __syncthreads();
    const std::int64_t mine = across_at * tile_columns + threadIdx.x;
    if (mine < args.tiles.columns) {
      float sum = 0;
#pragma unroll
      for (int k = 0; k < warps; ++k) sum += column_sums[k][threadIdx.x];
      args.column_sums[down_at * args.tiles.columns + mine] = sum;
    }
  } else {
    __syncthreads();
  }
  if (warp == 0) {
    const double sum =
        warp_sum(static_cast<double>(row_sums[lane]) + static_cast<double>(row_sums[lane + 32]));
    if (lane == 0) args.tile_sums[blockIdx.x] = sum;
  }
}

static_assert(tile_rows == 64 && tile_columns == 32 * warps && rows_a_warp == 8);

__global__ void __launch_bounds__(1024)
    finish_check_kernel(const double* tile_sums, std::int64_t tiles, float* sum,
                        std::int32_t* flag) {
  const auto total = static_cast<float>(block_sum_of(tile_sums, tiles));
  if (threadIdx.x != 0) return;
  *sum = total;
  if (!isfinite(total)) *flag = 1;
}

}  // namespace

cudaError_t measure(const Measure& args, cudaStream_t stream) {
  const std::int64_t tiles = args.tiles.count();
  if (tiles == 0) return cudaSuccess;
  if (tiles > 0x7FFFFFFF) return cudaErrorInvalidValue;
  return with_type(args.x.type, [&](auto element) {
    return with_bool(args.by_eights, [&](auto vector) {
      return with_bool(args.row_sums != nullptr, [&](auto sides) {
        measure_kernel<decltype(element), decltype(vector)::value, decltype(sides)::value>
            <<<static_cast<unsigned>(tiles), 32 * warps, 0, stream>>>(args);
        return cudaGetLastError();
      });
    });
  });
}

cudaError_t finish_check(const double* tile_sums, std::int64_t tiles, float* sum,
                         std::int32_t* flag, cudaStream_t stream) {
  finish_check_kernel<<<1, 1024, 0, stream>>>(tile_sums, tiles, sum, flag);
  return cudaGetLastError();
}

}  // namespace fg::optim::kernels
