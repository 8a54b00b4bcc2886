#include <cuda_bf16.h>

#include "cross_entropy.hpp"

namespace fg::ops::kernels {
namespace {

constexpr int warp = 32;
constexpr int loss_threads = 512;
constexpr int copy_threads = 256;

template <typename Unit, bool is_scatter>
__global__ void __launch_bounds__(copy_threads) move_rows(RowCopy args, std::int64_t units) {
  const auto* const from = static_cast<const Unit*>(args.from);
  auto* const to = static_cast<Unit*>(args.to);
  const std::int64_t total = args.rows * units;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       at < total; at += step) {
    const std::int64_t row = at / units;
    const std::int64_t there = args.numbers[row] * units + (at - row * units);
    if (is_scatter)
      to[there] = from[at];
    else
      to[at] = from[there];
  }
}

template <bool is_scatter>
cudaError_t move(const RowCopy& args, cudaStream_t stream) {
  if (args.rows == 0 || args.row_bytes == 0) return cudaSuccess;
  const auto is_wide = [](const void* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer) % sizeof(uint4) == 0;
  };
  const bool wide = args.row_bytes % static_cast<std::int64_t>(sizeof(uint4)) == 0 &&
                    is_wide(args.from) && is_wide(args.to);
  const std::int64_t unit = wide ? sizeof(uint4) : sizeof(std::uint16_t);
  const std::int64_t units = args.row_bytes / unit;
  const std::int64_t blocks = (args.rows * units + copy_threads - 1) / copy_threads;
  const auto grid = static_cast<unsigned>(blocks < 8192 ? blocks : 8192);
  if (wide)
    move_rows<uint4, is_scatter><<<grid, copy_threads, 0, stream>>>(args, units);
  else
    move_rows<std::uint16_t, is_scatter><<<grid, copy_threads, 0, stream>>>(args, units);
  return cudaGetLastError();
}

/// Σ exp(x − largest) of some numbers, and the largest: sums of two sets can be joined.
struct Softmax {
  float largest;
  float sum;
};

__device__ Softmax join(Softmax left, Softmax right) {
  const float largest = fmaxf(left.largest, right.largest);
  // Both empty: −∞ − −∞ would be NaN.
  if (largest == -INFINITY) return {largest, 0.0F};
  return {largest,
          left.sum * __expf(left.largest - largest) + right.sum * __expf(right.largest - largest)};
}

__device__ Softmax join_block(Softmax own) {
  __shared__ Softmax of_warps[loss_threads / warp];
  for (int offset = warp / 2; offset > 0; offset /= 2) {
    const Softmax other{__shfl_xor_sync(0xFFFFFFFF, own.largest, offset),
                        __shfl_xor_sync(0xFFFFFFFF, own.sum, offset)};
    // The same order on both sides, so that all lanes get the same bits.
    own = (threadIdx.x & offset) == 0 ? join(own, other) : join(other, own);
  }
  if (threadIdx.x % warp == 0) of_warps[threadIdx.x / warp] = own;
  __syncthreads();
  Softmax all = of_warps[0];
  for (int index = 1; index < loss_threads / warp; ++index) all = join(all, of_warps[index]);
  return all;
}

__device__ float to_float(float value) {
  return value;
}
__device__ float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}
__device__ void set(float& to, float value) {
  to = value;
}
__device__ void set(__nv_bfloat16& to, float value) {
  to = __float2bfloat16_rn(value);
}

/// Sixteen bytes of logits.
template <typename T>
struct alignas(16) Pack {
  static constexpr int size = 16 / sizeof(T);
  T values[size];
};

/// One block a row. Twice through the row: the second time it mostly comes from the cache.
template <typename T>
__global__ void __launch_bounds__(loss_threads) loss_of_row(SoftmaxLoss args) {
  constexpr int size = Pack<T>::size;
  const std::int64_t row = blockIdx.x;
  auto* const logits = static_cast<T*>(args.logits) + row * args.stride;
  auto* const packs = reinterpret_cast<Pack<T>*>(logits);
  const std::int64_t all = args.stride / size;
  if (row >= args.rows) {
    for (std::int64_t at = threadIdx.x; at < all; at += loss_threads) packs[at] = Pack<T>{};
    return;
  }
  const std::int64_t whole = args.columns / size;  // packs without padding columns
  Softmax own{-INFINITY, 0.0F};
  for (std::int64_t at = threadIdx.x; at < whole; at += loss_threads) {
    const Pack<T> pack = packs[at];
    float largest = to_float(pack.values[0]);
    for (int i = 1; i < size; ++i) largest = fmaxf(largest, to_float(pack.values[i]));
    float sum = 0.0F;
    for (int i = 0; i < size; ++i) sum += __expf(to_float(pack.values[i]) - largest);
    own = join(own, {largest, sum});
  }
  for (std::int64_t column = whole * size + threadIdx.x; column < args.columns;
       column += loss_threads)
    own = join(own, {to_float(logits[column]), 1.0F});
  const Softmax softmax = join_block(own);
  const std::int64_t target = args.targets[row];
  const bool is_inside = target >= 0 && target < args.columns;
  const float log_sum = logf(softmax.sum);
  // Before any thread overwrites the target's logit.
  const float loss = is_inside ? log_sum - (to_float(logits[target]) - softmax.largest) : NAN;
  if (threadIdx.x == 0) args.losses[row] = loss;
  if (!args.wants_gradient) return;
  __syncthreads();
  const float inverse = 1.0F / softmax.sum;
  for (std::int64_t at = threadIdx.x; at < all; at += loss_threads) {
    Pack<T> pack = packs[at];
    for (int i = 0; i < size; ++i) {
      const std::int64_t column = at * size + i;
      const float share = __expf(to_float(pack.values[i]) - softmax.largest) * inverse;
      const float gradient = args.scale * (share - (column == target ? 1.0F : 0.0F));
      set(pack.values[i], column < args.columns ? gradient : 0.0F);
    }
    packs[at] = pack;
  }
}

}  // namespace

cudaError_t gather_rows(const RowCopy& args, cudaStream_t stream) {
  return move<false>(args, stream);
}

cudaError_t scatter_rows(const RowCopy& args, cudaStream_t stream) {
  return move<true>(args, stream);
}

cudaError_t softmax_loss(const SoftmaxLoss& args, cudaStream_t stream) {
  const std::int64_t rows = args.wants_gradient ? args.all_rows : args.rows;
  if (rows == 0) return cudaSuccess;
  const auto grid = static_cast<unsigned>(rows);
  if (args.is_bfloat16)
    loss_of_row<__nv_bfloat16><<<grid, loss_threads, 0, stream>>>(args);
  else
    loss_of_row<float><<<grid, loss_threads, 0, stream>>>(args);
  return cudaGetLastError();
}

}  // namespace fg::ops::kernels
