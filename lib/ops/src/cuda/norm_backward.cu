#include "column_kernels.hpp"
#include "device.cuh"
#include "launch.hpp"
#include "norm_kernels.hpp"

namespace fg::ops::kernels {
namespace {

/// Packs of its row that a lane keeps in registers; those beyond are read again.
constexpr int held_packs = 2;

/// With n = x · inverse: dx = past + inverse · (w·dy − x · pull), pull = inverse² · mean(w·dy·x).
template <typename P>
__device__ typename P::Raw input_gradient(const typename P::Raw& x_raw,
                                          const typename P::Raw& gradient_raw,
                                          const typename P::Raw& weight_raw,
                                          const typename P::Raw& past_raw, float inverse,
                                          float pull) {
  float x[P::count];
  float gradient[P::count];
  float weight[P::count];
  float past[P::count];
  P::unpack(x_raw, x);
  P::unpack(gradient_raw, gradient);
  P::unpack(weight_raw, weight);
  P::unpack(past_raw, past);
#pragma unroll
  for (int at = 0; at < P::count; ++at)
    gradient[at] = past[at] + inverse * (weight[at] * gradient[at] - x[at] * pull);
  return P::pack(gradient);
}

/// Brings what will be read after the row's sum into the L2 cache, at no cost in registers.
__device__ void fetch(const void* address) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(address));
}

template <typename P>
__device__ float projection_of(const typename P::Raw& x_raw, const typename P::Raw& gradient_raw,
                               const typename P::Raw& weight_raw) {
  float x[P::count];
  float gradient[P::count];
  float weight[P::count];
  P::unpack(x_raw, x);
  P::unpack(gradient_raw, gradient);
  P::unpack(weight_raw, weight);
  float sum = 0.0F;
#pragma unroll
  for (int at = 0; at < P::count; ++at) sum += weight[at] * gradient[at] * x[at];
  return sum;
}

/// Adds a row's terms of the weight's gradient.
template <typename P>
__device__ void add_terms(const typename P::Raw& x_raw, const typename P::Raw& gradient_raw,
                          float inverse, float (&sums)[P::count]) {
  float x[P::count];
  float gradient[P::count];
  P::unpack(x_raw, x);
  P::unpack(gradient_raw, gradient);
#pragma unroll
  for (int at = 0; at < P::count; ++at) sums[at] += gradient[at] * (x[at] * inverse);
}

/// The block's sums as row blockIdx.x of `partials`: those of its groups in their order.
template <typename P>
__device__ void store_sums(const float (&sums)[held_packs][P::count], int lanes, std::int64_t units,
                           std::int64_t width, float* partials) {
  extern __shared__ float4 shared[];  // [groups, width] where there are several groups
  float* const by_group = reinterpret_cast<float*>(shared);
  float* const out = partials + std::int64_t{blockIdx.x} * width;
  const int groups = static_cast<int>(blockDim.x) / lanes;
  const int group = static_cast<int>(threadIdx.x) / lanes;
  const int lane = static_cast<int>(threadIdx.x) - group * lanes;
  float* const own = groups == 1 ? out : by_group + group * width;
#pragma unroll
  for (int slot = 0; slot < held_packs; ++slot) {
    const std::int64_t unit = lane + slot * lanes;
    if (unit < units) store_floats<P::count>(own, unit, sums[slot]);
  }
  if (groups == 1) return;
  __syncthreads();
  for (std::int64_t column = threadIdx.x; column < width; column += blockDim.x) {
    float sum = 0.0F;
    for (int index = 0; index < groups; ++index) sum += by_group[index * width + column];
    out[column] = sum;
  }
}

/// Groups of `lanes` threads take rows in turn. With `sums_weight` no row is wider than what its
/// lanes hold.
template <typename P, bool sums_weight>
__global__ void __launch_bounds__(1024) backward(const RmsNormBackward norm, int lanes) {
  using T = typename P::Type;
  using Raw = typename P::Raw;
  __shared__ float partials[2][32];
  const int groups = static_cast<int>(blockDim.x) / lanes;
  const int group = static_cast<int>(threadIdx.x) / lanes;
  const int lane = static_cast<int>(threadIdx.x) - group * lanes;
  const int row_units = static_cast<int>(norm.width / P::count);
  const int held_units = held_packs * lanes;
  const bool has_past = norm.grad_residual.data != nullptr;
  const T* const weight = static_cast<const T*>(norm.weight);

  Raw scale[held_packs];
#pragma unroll
  for (int slot = 0; slot < held_packs; ++slot)
    if (lane + slot * lanes < row_units) scale[slot] = load<P>(weight, lane + slot * lanes);
  float sums[held_packs][P::count] = {};

  int turn = 0;
  const std::int64_t step = std::int64_t{gridDim.x} * groups;
  for (std::int64_t base = std::int64_t{blockIdx.x} * groups; base < norm.rows; base += step) {
    const std::int64_t row = base + group;
    const int units = row < norm.rows ? row_units : 0;
    const Place place = place_of(row, norm.heads);
    const T* const input = row_at<const T>(norm.input, place);
    const T* const gradients = row_at<const T>(norm.grad_output, place);
    const T* const past = has_past ? row_at<const T>(norm.grad_residual, place) : nullptr;
    T* const output = row_at<T>(norm.grad_input, place);
    const float inverse = units > 0 ? norm.inverse_rms[row] : 0.0F;

    Raw x[held_packs];
    Raw gradient[held_packs];
#pragma unroll
    for (int slot = 0; slot < held_packs; ++slot) {
      const int unit = lane + slot * lanes;
      if (unit >= units) continue;
      x[slot] = load<P>(input, unit);
      gradient[slot] = load<P>(gradients, unit);
      if (has_past) fetch(past + unit * P::count);
    }
    float projection = 0.0F;
#pragma unroll
    for (int slot = 0; slot < held_packs; ++slot)
      if (lane + slot * lanes < units)
        projection += projection_of<P>(x[slot], gradient[slot], scale[slot]);
    if constexpr (!sums_weight)
      for (int unit = lane + held_units; unit < units; unit += lanes)
        projection +=
            projection_of<P>(load<P>(input, unit), load<P>(gradients, unit), load<P>(weight, unit));
    projection = sum_over(projection, lanes, partials[turn]);
    turn ^= 1;
    const float pull = projection * inverse * inverse / static_cast<float>(norm.width);
#pragma unroll
    for (int slot = 0; slot < held_packs; ++slot) {
      const int unit = lane + slot * lanes;
      if (unit >= units) continue;
      if constexpr (sums_weight) add_terms<P>(x[slot], gradient[slot], inverse, sums[slot]);
      store<P>(output, unit,
               input_gradient<P>(x[slot], gradient[slot], scale[slot],
                                 has_past ? load<P>(past, unit) : Raw{}, inverse, pull));
    }
    if constexpr (!sums_weight)
      for (int unit = lane + held_units; unit < units; unit += lanes) {
        store<P>(
            output, unit,
            input_gradient<P>(load<P>(input, unit), load<P>(gradients, unit), load<P>(weight, unit),
                              has_past ? load<P>(past, unit) : Raw{}, inverse, pull));
      }
  }
  if constexpr (sums_weight) store_sums<P>(sums, lanes, row_units, norm.width, norm.partials);
}

bool is_packed(const RmsNormBackward& norm) {
  return fits_packs(norm.element, norm.width,
                    {norm.grad_output, norm.input, norm.grad_residual, norm.grad_input,
                     rows_at(norm.weight), rows_at(norm.partials)});
}

/// Blocks of 1024 threads a multiprocessor, so that all blocks run at once.
std::int64_t blocks_of(const RmsNormBackward& norm, const RowShape& shape) {
  return std::min(multiprocessors * (1024 / shape.threads), ceil_div(norm.rows, shape.rows()));
}

std::int64_t units_of(const RmsNormBackward& norm) {
  return is_packed(norm) ? norm.width / pack_count(norm.element) : norm.width;
}

}  // namespace

cudaError_t rms_norm_backward_input(const RmsNormBackward& norm, cudaStream_t stream) {
  if (norm.rows == 0 || norm.width == 0) return cudaSuccess;
  return with_pack(norm.element, is_packed(norm), [&](auto pack) {
    using P = decltype(pack);
    const RowShape shape = shape_of(norm.width / P::count, held_packs);
    const auto blocks =
        static_cast<unsigned>(std::min<std::int64_t>(ceil_div(norm.rows, shape.rows()), 1 << 30));
    backward<P, false><<<blocks, shape.threads, 0, stream>>>(norm, shape.lanes);
  });
}

std::int64_t norm_backward_blocks(const RmsNormBackward& norm) {
  const RowShape shape = shape_of(units_of(norm), held_packs);
  if (units_of(norm) > std::int64_t{held_packs} * shape.lanes) return 0;
  return std::max<std::int64_t>(1, blocks_of(norm, shape));
}

cudaError_t rms_norm_backward(const RmsNormBackward& norm, cudaStream_t stream) {
  if (norm.width == 0) return cudaSuccess;
  const RowShape shape = shape_of(units_of(norm), held_packs);
  const std::int64_t blocks = blocks_of(norm, shape);
  if (blocks > 0) {
    const cudaError_t code = with_pack(norm.element, is_packed(norm), [&](auto pack) {
      using P = decltype(pack);
      const std::size_t shared =
          shape.rows() > 1 ? static_cast<std::size_t>(shape.rows() * norm.width) * 4 : 0;
      backward<P, true>
          <<<static_cast<unsigned>(blocks), shape.threads, shared, stream>>>(norm, shape.lanes);
    });
    if (code != cudaSuccess) return code;
  }
  return sum_partials(norm.partials, blocks, norm.width, norm.element, norm.grad_weight, stream);
}

}  // namespace fg::ops::kernels
