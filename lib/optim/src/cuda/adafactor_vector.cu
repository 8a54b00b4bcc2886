#include "adafactor.cuh"

namespace fg::optim::kernels {
namespace {

constexpr int threads = 1024;

/// u of eight elements; `r` are the statistics after this step.
__device__ inline void scale(float factor, const float (&r)[8], float (&g)[8]) {
#pragma unroll
  for (int j = 0; j < 8; ++j) g[j] = g[j] * factor * inverse_root(1, r[j]);
}

// Norms and biases: small enough for one block, which needs no memory between the phases.
template <typename P, typename G, bool Vector>
__global__ void __launch_bounds__(threads) vector_kernel(const AdafactorVector args) {
  const Target& target = args.target;
  if (is_raised(target.flag)) return;
  const auto* gradient = static_cast<const G*>(target.gradient.data);
  auto* values = static_cast<P*>(target.values.data);
  const float factor = gradient_factor(target);
  const auto eps = static_cast<float>(args.rule.eps_square);
  __shared__ double beta2;
  if (threadIdx.x == 0) beta2 = beta2_at(args.rule, *args.age + 1);
  __syncthreads();

  double weights = 0, updates = 0;
  for (std::int64_t k = threadIdx.x; k < groups_a_row(target); k += threads) {
    const Group at = group_at(target, k);
    float g[8], r[8], p[8];
    unpack(load_eight<Vector>(gradient + at.column, at.count), g);
    unpack(load_eight<Vector>(args.row + at.column, at.count), r);
    unpack(load_eight<Vector>(values + at.column, at.count), p);
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const float scaled = g[j] * factor;
      r[j] = blend(r[j], static_cast<double>(scaled * scaled + eps), beta2);
    }
    store_eight<Vector>(args.row + at.column, at.count, pack<Vector, float>(r, target.rounding, 0));
    scale(factor, r, g);
#pragma unroll
    for (int j = 0; j < 8; ++j)
      if (j < at.count) {
        updates += static_cast<double>(g[j]) * static_cast<double>(g[j]);
        weights += static_cast<double>(p[j]) * static_cast<double>(p[j]);
      }
  }
  const double update_sum = block_sum(updates);
  const double weight_sum = block_sum(weights);
  const StepSize size = step_size(args.rule, weight_sum, update_sum);

  for (std::int64_t k = threadIdx.x; k < groups_a_row(target); k += threads) {
    const Group at = group_at(target, k);
    float u[8], r[8], p[8];
    unpack(load_eight<Vector>(gradient + at.column, at.count), u);
    unpack(load_eight<Vector>(args.row + at.column, at.count), r);
    unpack(load_eight<Vector>(values + at.column, at.count), p);
    scale(factor, r, u);
#pragma unroll
    for (int j = 0; j < 8; ++j) p[j] -= size.decay * p[j] + size.update * u[j];
    store_eight<Vector>(
        values + at.column, at.count,
        pack<Vector, P>(p, target.rounding, target.first + static_cast<std::uint64_t>(at.column)));
  }
  if (threadIdx.x == 0 && !args.age_kept) ++*args.age;
}

}  // namespace

cudaError_t adafactor_vector(const AdafactorVector& args, cudaStream_t stream) {
  return with_type(args.target.values.type, [&](auto value) {
    return with_type(args.target.gradient.type, [&](auto gradient) {
      return with_bool(args.target.by_eights, [&](auto vector) {
        vector_kernel<decltype(value), decltype(gradient), decltype(vector)::value>
            <<<1, threads, 0, stream>>>(args);
        return cudaGetLastError();
      });
    });
  });
}

}  // namespace fg::optim::kernels
