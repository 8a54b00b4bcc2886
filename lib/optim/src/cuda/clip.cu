#include <limits>

#include "kernels.hpp"

namespace fg::optim::kernels {
namespace {

constexpr int at_once = 1024;

// The host's sum is one addition after the other, so this one is too; the block brings the numbers
// near first.
__global__ void __launch_bounds__(at_once) clip_kernel(const Clip args) {
  __shared__ float near[at_once];
  double total = 0;
  for (std::int64_t begin = 0; begin < args.count; begin += at_once) {
    const std::int64_t mine = begin + threadIdx.x;
    if (mine < args.count) {
      const std::int64_t index = args.order[mine];
      near[threadIdx.x] = index >= 0 && index < args.count
                              ? args.sums[index]
                              : std::numeric_limits<float>::quiet_NaN();
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      const int here = static_cast<int>(
          min(static_cast<long long>(args.count - begin), static_cast<long long>(at_once)));
      for (int i = 0; i < here; ++i) total += static_cast<double>(near[i]);
    }
    __syncthreads();
  }
  if (threadIdx.x != 0) return;
  const double norm = sqrt(total);
  *args.norm = norm;
  if (!isfinite(norm)) *args.flag = 1;
  double factor = 1;
  if (args.clip_norm > 0 && isfinite(norm)) factor = fmin(1.0, args.clip_norm / (norm + 1e-6));
  *args.factor = static_cast<float>(factor);
}

}  // namespace

cudaError_t clip(const Clip& args, cudaStream_t stream) {
  clip_kernel<<<1, at_once, 0, stream>>>(args);
  return cudaGetLastError();
}

}  // namespace fg::optim::kernels
