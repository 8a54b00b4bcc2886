#include "adamw.cuh"

namespace fg::optim::kernels {
namespace {

constexpr int threads = 256;

__global__ void begin_kernel(const AdamWBegin args) {
  if (is_raised(args.flag)) return;
  const std::int64_t t = *args.age + 1;
  const AdamWRule& rule = args.rule;
  const auto age = static_cast<double>(t);
  const double correction1 = 1 - pow(rule.beta1, age);
  const double correction2 = 1 - pow(rule.beta2, age);
  *args.factors = {static_cast<float>(1 - rule.beta1),
                   static_cast<float>(1 - rule.beta2),
                   static_cast<float>(rule.lr / correction1),
                   static_cast<float>(1 / sqrt(correction2)),
                   static_cast<float>(rule.lr * rule.weight_decay),
                   static_cast<float>(rule.eps)};
  if (!args.age_kept) *args.age = t;
}

template <typename P, typename G, typename M, bool Vector>
__global__ void __launch_bounds__(threads) adamw_kernel(const AdamW args) {
  const Target& target = args.target;
  if (is_raised(target.flag)) return;
  const AdamWFactors factors = *args.factors;
  const float factor = gradient_factor(target);
  const std::int64_t groups = target.rows * groups_a_row(target);
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * threads;
  for (std::int64_t k = static_cast<std::int64_t>(blockIdx.x) * threads + threadIdx.x; k < groups;
       k += step) {
    const Group at = group_at(target, k);
    const std::int64_t here = at.row * target.columns + at.column;
    const G* gradient =
        static_cast<const G*>(target.gradient.data) + at.row * target.gradient.stride + at.column;
    P* values = static_cast<P*>(target.values.data) + at.row * target.values.stride + at.column;
    M* first = static_cast<M*>(args.first) + here;
    M* second = static_cast<M*>(args.second) + here;
    const auto raw_g = load_eight<Vector>(gradient, at.count);
    const auto raw_p = load_eight<Vector>(values, at.count);
    const auto raw_m = load_eight<Vector>(first, at.count);
    const auto raw_v = load_eight<Vector>(second, at.count);
    float g[8], p[8], m[8], v[8];
    unpack(raw_g, g);
    unpack(raw_p, p);
    unpack(raw_m, m);
    unpack(raw_v, v);
    adamw_eight(factors, factor, g, m, v, p);
    const std::uint64_t index = target.first + static_cast<std::uint64_t>(here);
    store_eight<Vector>(first, at.count, pack<Vector, M>(m, args.first_rounding, index));
    store_eight<Vector>(second, at.count, pack<Vector, M>(v, args.second_rounding, index));
    store_eight<Vector>(values, at.count, pack<Vector, P>(p, target.rounding, index));
  }
}

}  // namespace

cudaError_t adamw_begin(const AdamWBegin& args, cudaStream_t stream) {
  begin_kernel<<<1, 1, 0, stream>>>(args);
  return cudaGetLastError();
}

cudaError_t adamw(const AdamW& args, cudaStream_t stream) {
  const Target& target = args.target;
  const std::int64_t groups = target.rows * groups_a_row(target);
  if (groups == 0) return cudaSuccess;
  return with_type(target.values.type, [&](auto value) {
    return with_type(target.gradient.type, [&](auto gradient) {
      return with_type(args.moment_type, [&](auto moment) {
        return with_bool(target.by_eights, [&](auto vector) {
          adamw_kernel<decltype(value), decltype(gradient), decltype(moment),
                       decltype(vector)::value>
              <<<blocks_for(groups, threads, most_blocks), threads, 0, stream>>>(args);
          return cudaGetLastError();
        });
      });
    });
  });
}

}  // namespace fg::optim::kernels
