#pragma once

#include <cstdint>

// Sums in an order that is fixed by their number and the block's size.
namespace fg::optim::kernels {

template <typename T>
__device__ inline T warp_sum(T x) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    x += __shfl_xor_sync(0xFFFFFFFFU, x, distance);
  return x;
}

/// The sum over a block of whole warps, in every thread. All threads must come here.
__device__ inline double block_sum(double x) {
  __shared__ double warps[32];
  const unsigned lane = threadIdx.x % 32;
  x = warp_sum(x);
  __syncthreads();  // those before may still read
  if (lane == 0) warps[threadIdx.x / 32] = x;
  __syncthreads();
  return warp_sum(lane < blockDim.x / 32 ? warps[lane] : 0.0);
}

/// Σ numbers[0, count) by a block.
__device__ inline double block_sum_of(const double* numbers, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += numbers[i];
  return block_sum(sum);
}

}  // namespace fg::optim::kernels
