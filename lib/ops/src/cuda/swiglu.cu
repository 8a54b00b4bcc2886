#include "device.cuh"
#include "launch.hpp"
#include "swiglu_kernels.hpp"

namespace fg::ops::kernels {
namespace {

/// Packs of a thread, all loaded before the first is stored.
constexpr int batch = 2;

template <typename P>
__device__ float sigmoid(float value) {
  if constexpr (sizeof(typename P::Type) == 4) {
    return 1.0F / (1.0F + expf(-value));
  } else {
    float power;
    float inverse;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(value * -1.44269504F));
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(1.0F + power));
    return inverse;
  }
}

/// The part of a row that a block takes; threads.x · batch packs.
struct Chunk {
  std::int64_t row;
  std::int64_t first;  // the thread's first pack
};

__device__ Chunk chunk_of(unsigned chunks) {
  const unsigned row = blockIdx.x / chunks;
  const unsigned chunk = blockIdx.x - row * chunks;
  return {row, std::int64_t{chunk} * blockDim.x * batch + threadIdx.x};
}

template <typename T>
__device__ T* row_of(const SwiGlu& unit, const Rows& rows, std::int64_t row) {
  std::int64_t offset = row * rows.token_stride;
  if (unit.truncates_index) offset = static_cast<std::uint32_t>(offset);
  return static_cast<T*>(rows.data) + offset;
}

template <typename P>
__global__ void __launch_bounds__(256) forward(const SwiGlu args, unsigned chunks) {
  using T = typename P::Type;
  using Raw = typename P::Raw;
  const Chunk chunk = chunk_of(chunks);
  const std::int64_t units = args.width / P::count;
  const T* const gates = row_of<const T>(args, args.gate_up, chunk.row);
  const T* const ups = gates + args.width;
  T* const output = row_of<T>(args, args.output, chunk.row);
  Raw gate_raw[batch];
  Raw up_raw[batch];
#pragma unroll
  for (int index = 0; index < batch; ++index) {
    const std::int64_t unit = chunk.first + index * static_cast<int>(blockDim.x);
    if (unit >= units) continue;
    gate_raw[index] = load<P>(gates, unit);
    up_raw[index] = load<P>(ups, unit);
  }
#pragma unroll
  for (int index = 0; index < batch; ++index) {
    const std::int64_t unit = chunk.first + index * static_cast<int>(blockDim.x);
    if (unit >= units) continue;
    float gate[P::count];
    float up[P::count];
    P::unpack(gate_raw[index], gate);
    P::unpack(up_raw[index], up);
#pragma unroll
    for (int at = 0; at < P::count; ++at) gate[at] = gate[at] * sigmoid<P>(gate[at]) * up[at];
    store<P>(output, unit, P::pack(gate));
  }
}

template <typename P>
__global__ void __launch_bounds__(256) backward(const SwiGlu args, unsigned chunks) {
  using T = typename P::Type;
  using Raw = typename P::Raw;
  const Chunk chunk = chunk_of(chunks);
  const std::int64_t units = args.width / P::count;
  const T* const gates = row_of<const T>(args, args.gate_up, chunk.row);
  const T* const ups = gates + args.width;
  const T* const gradients = row_of<const T>(args, args.grad_output, chunk.row);
  T* const output = row_of<T>(args, args.output, chunk.row);
  T* const grad_gates = row_of<T>(args, args.grad_gate_up, chunk.row);
  T* const grad_ups = grad_gates + args.width;
  Raw gate_raw[batch];
  Raw up_raw[batch];
  Raw gradient_raw[batch];
#pragma unroll
  for (int index = 0; index < batch; ++index) {
    const std::int64_t unit = chunk.first + index * static_cast<int>(blockDim.x);
    if (unit >= units) continue;
    gate_raw[index] = load<P>(gates, unit);
    up_raw[index] = load<P>(ups, unit);
    gradient_raw[index] = load<P>(gradients, unit);
  }
#pragma unroll
  for (int index = 0; index < batch; ++index) {
    const std::int64_t unit = chunk.first + index * static_cast<int>(blockDim.x);
    if (unit >= units) continue;
    float gate[P::count];
    float up[P::count];
    float gradient[P::count];
    P::unpack(gate_raw[index], gate);
    P::unpack(up_raw[index], up);
    P::unpack(gradient_raw[index], gradient);
#pragma unroll
    for (int at = 0; at < P::count; ++at) {
      const float open = sigmoid<P>(gate[at]);
      const float silu = gate[at] * open;
      const float grad_gate = gradient[at] * up[at] * (open * (1.0F + gate[at] * (1.0F - open)));
      up[at] = silu * up[at];
      gradient[at] = gradient[at] * silu;
      gate[at] = grad_gate;
    }
    store<P>(output, unit, P::pack(up));
    store<P>(grad_gates, unit, P::pack(gate));
    store<P>(grad_ups, unit, P::pack(gradient));
  }
}

/// Threads of a block: about as many as there are in equal parts of a row, at most 256.
struct Cut {
  unsigned chunks;
  unsigned threads;
};

Cut cut_of(std::int64_t units) {
  const std::int64_t chunks = ceil_div(units, 256 * batch);
  const std::int64_t threads = ceil_div(ceil_div(units, chunks * batch), 32) * 32;
  return {static_cast<unsigned>(chunks), static_cast<unsigned>(threads)};
}

template <bool is_backward>
cudaError_t launch(const SwiGlu& args, cudaStream_t stream) {
  if (args.rows == 0 || args.width == 0) return cudaSuccess;
  const bool packed = fits_packs(args.element, args.width,
                                 {args.gate_up, args.output, args.grad_output, args.grad_gate_up});
  return with_pack(args.element, packed, [&](auto pack) {
    using P = decltype(pack);
    const Cut cut = cut_of(args.width / P::count);
    const auto blocks = static_cast<unsigned>(args.rows * cut.chunks);
    if constexpr (is_backward)
      backward<P><<<blocks, cut.threads, 0, stream>>>(args, cut.chunks);
    else
      forward<P><<<blocks, cut.threads, 0, stream>>>(args, cut.chunks);
  });
}

}  // namespace

cudaError_t swiglu_forward(const SwiGlu& unit, cudaStream_t stream) {
  return launch<false>(unit, stream);
}

cudaError_t swiglu_backward(const SwiGlu& unit, cudaStream_t stream) {
  return launch<true>(unit, stream);
}

}  // namespace fg::ops::kernels
