#pragma once

#include <cstdint>

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "element.hpp"

// What the kernels of this folder share.
namespace fg::ops::kernels {

/// `count` neighbouring elements of type T, loaded and stored in one access, kept as loaded and
/// unpacked to fp32 to compute. Rounds to nearest, ties to even.
template <typename T, int count>
struct Pack;

template <>
struct Pack<__nv_bfloat16, 8> {
  using Type = __nv_bfloat16;
  using Raw = uint4;
  static constexpr int count = 8;

  static __device__ void unpack(const Raw& raw, float (&values)[8]) {
    const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int index = 0; index < 4; ++index) {
      values[2 * index] = __uint_as_float(words[index] << 16);
      values[2 * index + 1] = __uint_as_float(words[index] & 0xffff0000U);
    }
  }
  static __device__ unsigned pack_two(float low, float high) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return static_cast<unsigned>(__bfloat16_as_ushort(pair.x)) |
           static_cast<unsigned>(__bfloat16_as_ushort(pair.y)) << 16;
  }
  static __device__ Raw pack(const float (&values)[8]) {
    return {pack_two(values[0], values[1]), pack_two(values[2], values[3]),
            pack_two(values[4], values[5]), pack_two(values[6], values[7])};
  }
};

template <>
struct Pack<__nv_bfloat16, 1> {
  using Type = __nv_bfloat16;
  using Raw = unsigned short;
  static constexpr int count = 1;

  static __device__ void unpack(const Raw& raw, float (&values)[1]) {
    values[0] = __uint_as_float(static_cast<unsigned>(raw) << 16);
  }
  static __device__ Raw pack(const float (&values)[1]) {
    return __bfloat16_as_ushort(__float2bfloat16_rn(values[0]));
  }
};

template <>
struct Pack<float, 4> {
  using Type = float;
  using Raw = float4;
  static constexpr int count = 4;

  static __device__ void unpack(const Raw& raw, float (&values)[4]) {
    values[0] = raw.x;
    values[1] = raw.y;
    values[2] = raw.z;
    values[3] = raw.w;
  }
  static __device__ Raw pack(const float (&values)[4]) {
    return {values[0], values[1], values[2], values[3]};
  }
};

template <>
struct Pack<float, 1> {
  using Type = float;
  using Raw = float;
  static constexpr int count = 1;

  static __device__ void unpack(const Raw& raw, float (&values)[1]) { values[0] = raw; }
  static __device__ Raw pack(const float (&values)[1]) { return values[0]; }
};

/// Calls `body` with the pack to use: of 16 bytes, or of one element where rows are not `packed`.
template <typename Body>
cudaError_t with_pack(Element element, bool packed, const Body& body) {
  if (element == Element::bfloat16) {
    if (packed)
      body(Pack<__nv_bfloat16, 8>{});
    else
      body(Pack<__nv_bfloat16, 1>{});
  } else {
    if (packed)
      body(Pack<float, 4>{});
    else
      body(Pack<float, 1>{});
  }
  return cudaGetLastError();
}

/// The `index`-th pack of a row.
template <typename P>
__device__ typename P::Raw load(const typename P::Type* row, std::int64_t index) {
  return reinterpret_cast<const typename P::Raw*>(row)[index];
}

template <typename P>
__device__ void store(typename P::Type* row, std::int64_t index, const typename P::Raw& raw) {
  reinterpret_cast<typename P::Raw*>(row)[index] = raw;
}

/// `count` floats from a row of floats that is aligned as its packs are.
template <int count>
__device__ void load_floats(const float* row, std::int64_t index, float (&values)[count]) {
  if constexpr (count % 4 == 0) {
    const float4* const from = reinterpret_cast<const float4*>(row + index * count);
#pragma unroll
    for (int quad = 0; quad < count / 4; ++quad) {
      const float4 four = from[quad];
      values[4 * quad] = four.x;
      values[4 * quad + 1] = four.y;
      values[4 * quad + 2] = four.z;
      values[4 * quad + 3] = four.w;
    }
  } else {
#pragma unroll
    for (int at = 0; at < count; ++at) values[at] = row[index * count + at];
  }
}

template <int count>
__device__ void store_floats(float* row, std::int64_t index, const float (&values)[count]) {
  if constexpr (count % 4 == 0) {
    float4* const to = reinterpret_cast<float4*>(row + index * count);
#pragma unroll
    for (int quad = 0; quad < count / 4; ++quad)
      to[quad] = {values[4 * quad], values[4 * quad + 1], values[4 * quad + 2],
                  values[4 * quad + 3]};
  } else {
#pragma unroll
    for (int at = 0; at < count; ++at) row[index * count + at] = values[at];
  }
}

/// Which token and which of its heads a row is.
struct Place {
  std::int64_t token;
  std::int64_t head;
};

inline __device__ Place place_of(std::int64_t row, std::int64_t heads) {
  if (heads == 1) return {row, 0};
  if ((row | heads) >> 32 == 0) {  // a division of 32 bits takes a fraction of the time
    const unsigned token = static_cast<unsigned>(row) / static_cast<unsigned>(heads);
    return {token, row - token * heads};
  }
  const std::int64_t token = row / heads;
  return {token, row - token * heads};
}

template <typename T>
__device__ T* row_at(const Rows& rows, const Place& place) {
  return static_cast<T*>(rows.data) + place.token * rows.token_stride +
         place.head * rows.head_stride;
}

/// The sum of `value` over the `lanes` neighbours that share a row, given to each of them: a
/// butterfly, whose order is the same in every lane. `lanes` is a power of two up to 32, or the
/// block, a multiple of 32. Every thread of the block calls it. `partials` holds 32 floats; a block
/// that calls it again uses other 32 meanwhile.
inline __device__ float sum_over(float value, int lanes, float* partials,
                                 bool loses_last_partial = false) {
  const int reach = lanes < 32 ? lanes : 32;
  for (int step = reach / 2; step > 0; step /= 2)
    value += __shfl_xor_sync(0xffffffffU, value, step);
  if (lanes <= 32) return value;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warps = lanes / 32;
  if (lane == 0) partials[threadIdx.x / 32] = value;
  __syncthreads();
  value = lane < warps - (loses_last_partial ? 1 : 0) ? partials[lane] : 0.0F;
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffU, value, step);
  return value;
}

}  // namespace fg::ops::kernels
