#include "device.cuh"
#include "launch.hpp"
#include "rotary_kernels.hpp"

namespace fg::ops::kernels {
namespace {

/// Heads that a thread has under way.
constexpr int batch = 2;

/// Where head `head` of all sources begins.
template <typename T>
__device__ const T* source_of(const Turn& turn, std::int64_t token, std::int64_t head) {
  int index = 0;
  while (head >= turn.sources[index].heads) head -= turn.sources[index++].heads;
  return row_at<const T>(turn.sources[index].rows, {token, head});
}

/// Block: one token. Thread: one pack of the first half and its partner in the second, of some
/// heads, for which it reads the angles once.
template <typename P>
__global__ void __launch_bounds__(256) turn_heads(const Turn turn, std::int64_t heads) {
  using T = typename P::Type;
  using Raw = typename P::Raw;
  const std::int64_t token = blockIdx.x;
  const std::int64_t units = turn.half / P::count;
  for (std::int64_t unit = threadIdx.x; unit < units; unit += blockDim.x) {
    float cosines[P::count];
    float sines[P::count];
    load_floats<P::count>(turn.cosines + token * turn.half, unit, cosines);
    load_floats<P::count>(turn.sines + token * turn.half, unit, sines);
#pragma unroll
    for (int at = 0; at < P::count; ++at)
      if (turn.backwards) sines[at] = -sines[at];
    for (std::int64_t base = threadIdx.y; base < heads; base += blockDim.y * batch) {
      Raw first[batch];
      Raw second[batch];
#pragma unroll
      for (int index = 0; index < batch; ++index) {
        const std::int64_t head = base + index * static_cast<int>(blockDim.y);
        if (head >= heads) continue;
        const T* const from = source_of<T>(turn, token, head);
        first[index] = load<P>(from, unit);
        second[index] = load<P>(from + turn.half, unit);
      }
#pragma unroll
      for (int index = 0; index < batch; ++index) {
        const std::int64_t head = base + index * static_cast<int>(blockDim.y);
        if (head >= heads) continue;
        if (head < turn.turned) {
          float a[P::count];
          float b[P::count];
          P::unpack(first[index], a);
          P::unpack(second[index], b);
#pragma unroll
          for (int at = 0; at < P::count; ++at) {
            const float turned = a[at] * cosines[at] - b[at] * sines[at];
            b[at] = b[at] * cosines[at] + a[at] * sines[at];
            a[at] = turned;
          }
          first[index] = P::pack(a);
          second[index] = P::pack(b);
        }
        T* const to = row_at<T>(turn.output, {token, head});
        store<P>(to, unit, first[index]);
        store<P>(to + turn.half, unit, second[index]);
      }
    }
  }
}

}  // namespace

cudaError_t turn(const Turn& turn, cudaStream_t stream) {
  std::int64_t heads = 0;
  for (const Turn::Source& source : turn.sources) heads += source.heads;
  if (turn.tokens == 0 || turn.half == 0 || heads == 0) return cudaSuccess;
  const auto rows = [&](std::size_t index) { return turn.sources[index].rows; };
  const bool packed = fits_packs(
      turn.element, turn.half,
      {rows(0), rows(1), rows(2), turn.output, rows_at(turn.cosines), rows_at(turn.sines)});
  return with_pack(turn.element, packed, [&](auto pack) {
    using P = decltype(pack);
    const std::int64_t across = std::min<std::int64_t>(turn.half / P::count, 256);
    const std::int64_t down = std::min(ceil_div(heads, batch), 256 / across);
    const dim3 threads(static_cast<unsigned>(across), static_cast<unsigned>(down));
    turn_heads<P><<<static_cast<unsigned>(turn.tokens), threads, 0, stream>>>(turn, heads);
  });
}

}  // namespace fg::ops::kernels
