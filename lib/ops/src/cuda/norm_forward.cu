#include "device.cuh"
#include "launch.hpp"
#include "norm_kernels.hpp"

namespace fg::ops::kernels {
namespace {

enum class Mode { plain, adds, again };

/// Packs of its row that a lane keeps in registers; those beyond are read again.
constexpr int held_packs = 2;

template <typename P>
__device__ float squares_of(const typename P::Raw& raw) {
  float values[P::count];
  P::unpack(raw, values);
  float sum = 0.0F;
#pragma unroll
  for (int at = 0; at < P::count; ++at) sum += values[at] * values[at];
  return sum;
}

/// Rounded to the element type, as it is stored.
template <typename P>
__device__ typename P::Raw sum_of(const typename P::Raw& left, const typename P::Raw& right) {
  float sums[P::count];
  float others[P::count];
  P::unpack(left, sums);
  P::unpack(right, others);
#pragma unroll
  for (int at = 0; at < P::count; ++at) sums[at] += others[at];
  return P::pack(sums);
}

template <typename P>
__device__ typename P::Raw scaled(const typename P::Raw& raw, const typename P::Raw& weight,
                                  float inverse) {
  float values[P::count];
  float weights[P::count];
  P::unpack(raw, values);
  P::unpack(weight, weights);
#pragma unroll
  for (int at = 0; at < P::count; ++at) values[at] = weights[at] * (values[at] * inverse);
  return P::pack(values);
}

/// One row for each group of `lanes` threads.
template <typename P, Mode mode>
__global__ void __launch_bounds__(1024) normalise(const RmsNorm norm, int lanes) {
  using T = typename P::Type;
  using Raw = typename P::Raw;
  __shared__ float partials[32];
  const int groups = static_cast<int>(blockDim.x) / lanes;
  const int group = static_cast<int>(threadIdx.x) / lanes;
  const int lane = static_cast<int>(threadIdx.x) - group * lanes;
  const std::int64_t row = std::int64_t{blockIdx.x} * groups + group;
  const int units = row < norm.rows ? static_cast<int>(norm.width / P::count) : 0;
  const int held_units = held_packs * lanes;
  const Place place = place_of(row, norm.heads);
  const T* const input = row_at<const T>(norm.input, place);
  const T* const residual = mode == Mode::adds ? row_at<const T>(norm.residual, place) : nullptr;
  T* const sum = mode == Mode::adds ? row_at<T>(norm.sum, place) : nullptr;
  const T* const weight = static_cast<const T*>(norm.weight);

  Raw held[held_packs];
  Raw past[held_packs];
  Raw scale[held_packs];
#pragma unroll
  for (int slot = 0; slot < held_packs; ++slot) {
    const int unit = lane + slot * lanes;
    if (unit >= units) continue;
    held[slot] = load<P>(input, unit);
    if constexpr (mode == Mode::adds) past[slot] = load<P>(residual, unit);
    scale[slot] = load<P>(weight, unit);
  }
  float inverse = 0.0F;
  if constexpr (mode == Mode::again) {
    if (units > 0) inverse = norm.inverse_rms[row];
  } else {
    float squares = 0.0F;
#pragma unroll
    for (int slot = 0; slot < held_packs; ++slot) {
      const int unit = lane + slot * lanes;
      if (unit >= units) continue;
      if constexpr (mode == Mode::adds) {
        held[slot] = sum_of<P>(held[slot], past[slot]);
        store<P>(sum, unit, held[slot]);
      }
      squares += squares_of<P>(held[slot]);
    }
    for (int unit = lane + held_units; unit < units; unit += lanes) {
      Raw raw = load<P>(input, unit);
      if constexpr (mode == Mode::adds) {
        raw = sum_of<P>(raw, load<P>(residual, unit));
        store<P>(sum, unit, raw);
      }
      squares += squares_of<P>(raw);
    }
    squares = sum_over(squares, lanes, partials, norm.loses_last_partial);
    inverse = 1.0F / sqrtf(squares / static_cast<float>(norm.width) + norm.eps);
    if (lane == 0 && units > 0) norm.inverse_rms[row] = inverse;
  }

  T* const output = row_at<T>(norm.output, place);
  const int written = norm.loses_tail && P::count == 1 ? units / 8 * 8 : units;
#pragma unroll
  for (int slot = 0; slot < held_packs; ++slot) {
    const int unit = lane + slot * lanes;
    if (unit < written) store<P>(output, unit, scaled<P>(held[slot], scale[slot], inverse));
  }
  for (int unit = lane + held_units; unit < written; unit += lanes) {
    const Raw raw = load<P>(mode == Mode::adds ? sum : input, unit);
    store<P>(output, unit, scaled<P>(raw, load<P>(weight, unit), inverse));
  }
}

template <Mode mode>
cudaError_t launch(const RmsNorm& norm, cudaStream_t stream) {
  if (norm.rows == 0 || norm.width == 0) return cudaSuccess;
  const bool packed =
      fits_packs(norm.element, norm.width,
                 {norm.input, norm.residual, norm.sum, norm.output, rows_at(norm.weight)});
  return with_pack(norm.element, packed, [&](auto pack) {
    using P = decltype(pack);
    const RowShape shape = shape_of(norm.width / P::count, held_packs);
    const auto blocks = static_cast<unsigned>(ceil_div(norm.rows, shape.rows()));
    normalise<P, mode><<<blocks, shape.threads, 0, stream>>>(norm, shape.lanes);
  });
}

}  // namespace

cudaError_t rms_norm_forward(const RmsNorm& norm, cudaStream_t stream) {
  return launch<Mode::plain>(norm, stream);
}

cudaError_t add_rms_norm_forward(const RmsNorm& norm, cudaStream_t stream) {
  return launch<Mode::adds>(norm, stream);
}

cudaError_t rms_norm_again(const RmsNorm& norm, cudaStream_t stream) {
  return launch<Mode::again>(norm, stream);
}

}  // namespace fg::ops::kernels
