#include "eight.cuh"
#include "sgd_kernels.hpp"

namespace fg::optim::kernels {
namespace {

constexpr int threads = 256;

template <typename P, typename G, typename M, bool Vector>
__global__ void __launch_bounds__(threads) sgd_kernel(const Sgd args) {
  const Target& target = args.target;
  if (is_raised(target.flag)) return;
  const float factor = gradient_factor(target);
  const std::int64_t groups = target.rows * groups_a_row(target);
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * threads;
  for (std::int64_t k = static_cast<std::int64_t>(blockIdx.x) * threads + threadIdx.x; k < groups;
       k += step) {
    const Group at = group_at(target, k);
    const std::int64_t here = at.row * target.columns + at.column;
    const std::uint64_t index = target.first + static_cast<std::uint64_t>(here);
    const G* gradient =
        static_cast<const G*>(target.gradient.data) + at.row * target.gradient.stride + at.column;
    P* values = static_cast<P*>(target.values.data) + at.row * target.values.stride + at.column;
    M* buffer = static_cast<M*>(args.buffer) + here;
    const auto raw_g = load_eight<Vector>(gradient, at.count);
    const auto raw_p = load_eight<Vector>(values, at.count);
    Eight<M> raw_b = {};
    if (args.buffer != nullptr) raw_b = load_eight<Vector>(buffer, at.count);
    float slope[8], p[8], b[8];
    unpack(raw_g, slope);
    unpack(raw_p, p);
    unpack(raw_b, b);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      slope[i] = slope[i] * factor + args.weight_decay * p[i];
      if (args.buffer == nullptr) {
        p[i] -= args.lr * slope[i];
      } else {
        b[i] = args.momentum * b[i] + slope[i];
        p[i] -= args.lr * (args.nesterov ? slope[i] + args.momentum * b[i] : b[i]);
      }
    }
    if (args.buffer != nullptr)
      store_eight<Vector>(buffer, at.count, pack<Vector, M>(b, args.buffer_rounding, index));
    store_eight<Vector>(values, at.count, pack<Vector, P>(p, target.rounding, index));
  }
}

}  // namespace

cudaError_t sgd(const Sgd& args, cudaStream_t stream) {
  const Target& target = args.target;
  const std::int64_t groups = target.rows * groups_a_row(target);
  if (groups == 0) return cudaSuccess;
  return with_type(target.values.type, [&](auto value) {
    return with_type(target.gradient.type, [&](auto gradient) {
      return with_type(args.moment_type, [&](auto moment) {
        return with_bool(target.by_eights, [&](auto vector) {
          sgd_kernel<decltype(value), decltype(gradient), decltype(moment), decltype(vector)::value>
              <<<blocks_for(groups, threads, most_blocks), threads, 0, stream>>>(args);
          return cudaGetLastError();
        });
      });
    });
  });
}

}  // namespace fg::optim::kernels
