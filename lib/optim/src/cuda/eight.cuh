#pragma once

#include <type_traits>

#include <fg/optim/rounding.hpp>

#include "kernels.hpp"

// Eight consecutive elements at a time: 16 bytes of bfloat16, 32 of float32, one block of random
// half-words. `Vector` says that they lie at a 16-byte boundary, are all there, and begin at a
// multiple of eight; else each is looked at alone.
namespace fg::optim::kernels {

using Bfloat16 = std::uint16_t;

template <typename T>
struct Eight {
  std::uint32_t words[2 * sizeof(T)];
};

template <bool Vector, typename T>
__device__ inline Eight<T> load_eight(const T* from, int count) {
  Eight<T> raw;
  if constexpr (Vector) {
#pragma unroll
    for (int k = 0; k < static_cast<int>(sizeof(T)) / 2; ++k) {
      const uint4 quad = reinterpret_cast<const uint4*>(from)[k];
      raw.words[4 * k] = quad.x;
      raw.words[4 * k + 1] = quad.y;
      raw.words[4 * k + 2] = quad.z;
      raw.words[4 * k + 3] = quad.w;
    }
  } else if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (int i = 0; i < 8; ++i) raw.words[i] = i < count ? __float_as_uint(from[i]) : 0;
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const std::uint32_t low = 2 * i < count ? from[2 * i] : 0;
      const std::uint32_t high = 2 * i + 1 < count ? from[2 * i + 1] : 0;
      raw.words[i] = low | high << 16;
    }
  }
  return raw;
}

template <bool Vector, typename T>
__device__ inline void store_eight(T* to, int count, const Eight<T>& raw) {
  if constexpr (Vector) {
#pragma unroll
    for (int k = 0; k < static_cast<int>(sizeof(T)) / 2; ++k)
      reinterpret_cast<uint4*>(to)[k] = make_uint4(raw.words[4 * k], raw.words[4 * k + 1],
                                                   raw.words[4 * k + 2], raw.words[4 * k + 3]);
  } else if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (int i = 0; i < 8; ++i)
      if (i < count) to[i] = __uint_as_float(raw.words[i]);
  } else {
#pragma unroll
    for (int i = 0; i < 8; ++i)
      if (i < count) to[i] = static_cast<Bfloat16>(raw.words[i / 2] >> (i % 2 * 16));
  }
}

template <typename T>
__device__ inline void unpack(const Eight<T>& raw, float (&to)[8]) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    if constexpr (sizeof(T) == 4) {
      to[i] = __uint_as_float(raw.words[i]);
    } else {
      const std::uint32_t word = raw.words[i / 2];
      to[i] = __uint_as_float(i % 2 == 0 ? word << 16 : word & 0xFFFF0000U);
    }
  }
}

/// Half-words n to n + 7 of the stream: half-word 2k is the low half of to[k].
template <bool Vector>
__device__ inline void half_words(const Rounding& rounding, std::uint64_t n,
                                  std::uint32_t (&to)[4]) {
  const PhiloxBlock block = rounding.stream.block(n / 8);
  if constexpr (Vector) {
#pragma unroll
    for (int k = 0; k < 4; ++k) to[k] = block[k];
  } else {
    const PhiloxBlock next = rounding.stream.block(n / 8 + 1);
    std::uint32_t words[9];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      words[k] = block[k];
      words[4 + k] = next[k];
    }
    words[8] = 0;
    const int skipped = static_cast<int>(n % 8);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const int at = skipped / 2 + k;
      to[k] = __funnelshift_r(words[at], words[at + 1], skipped % 2 * 16);
    }
  }
#pragma unroll
  for (int k = 0; k < 4; ++k) to[k] |= rounding.planted;
}

/// round_stochastic of eight numbers by half-words. In one addition where none can become
/// infinite: low + (65535 - random) carries exactly when random < low.
__device__ inline void round_stochastic_eight(const float (&x)[8], const std::uint32_t (&random)[4],
                                              Eight<Bfloat16>& to) {
  constexpr float largest = 0x1.FEp127F;  // of bfloat16
  bool special = false;
#pragma unroll
  for (int i = 0; i < 8; ++i) special |= !(fabsf(x[i]) < largest);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const std::uint32_t low = __float_as_uint(x[2 * k]) + (~random[k] & 0xFFFFU);
    const std::uint32_t high = __float_as_uint(x[2 * k + 1]) + (~random[k] >> 16);
    to.words[k] = __byte_perm(low, high, 0x7632);
  }
  if (!special) return;
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const auto low = static_cast<std::uint16_t>(random[k]);
    const auto high = static_cast<std::uint16_t>(random[k] >> 16);
    to.words[k] = static_cast<std::uint32_t>(round_stochastic(x[2 * k], low)) |
                  static_cast<std::uint32_t>(round_stochastic(x[2 * k + 1], high)) << 16;
  }
}

/// As elements of type T; a bfloat16 is rounded by half-words [n, n + 8) or to the nearest.
template <bool Vector, typename T>
__device__ inline Eight<T> pack(const float (&x)[8], const Rounding& rounding, std::uint64_t n) {
  Eight<T> raw;
  if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (int i = 0; i < 8; ++i) raw.words[i] = __float_as_uint(x[i]);
  } else if (rounding.stochastic) {
    std::uint32_t random[4];
    half_words<Vector>(rounding, n, random);
    round_stochastic_eight(x, random, raw);
  } else {
#pragma unroll
    for (int k = 0; k < 4; ++k)
      raw.words[k] = static_cast<std::uint32_t>(round_nearest(x[2 * k])) |
                     static_cast<std::uint32_t>(round_nearest(x[2 * k + 1])) << 16;
  }
  return raw;
}

__device__ inline bool is_raised(const std::int32_t* flag) {
  return flag != nullptr && *flag != 0;
}

__device__ inline float gradient_factor(const Target& target) {
  return target.device_factor != nullptr ? *target.device_factor : target.factor;
}

/// The k-th group of eight of a target, counted along its rows.
struct Group {
  std::int64_t row;
  std::int64_t column;
  int count;
};

__host__ __device__ inline std::int64_t groups_a_row(const Target& target) {
  return (target.columns + 7) / 8;
}

__device__ inline Group group_at(const Target& target, std::int64_t k) {
  Group group{0, 8 * k, 8};
  if (target.rows > 1) {
    const std::int64_t groups = groups_a_row(target);
    group.row = k / groups;
    group.column = 8 * (k - group.row * groups);
  }
  const std::int64_t left = target.columns - group.column;
  if (left < 8) group.count = static_cast<int>(left);
  return group;
}

/// Blocks for a loop in which each thread takes every so-manieth item; results do not depend on it.
inline unsigned blocks_for(std::int64_t items, int threads, std::int64_t most) {
  const std::int64_t wanted = (items + threads - 1) / threads;
  return static_cast<unsigned>(wanted < most ? wanted : most);
}
inline constexpr std::int64_t most_blocks = 0x7FFFFFFF;

/// Calls `call` with a value of the type that `element` names.
template <typename Call>
cudaError_t with_type(Element element, const Call& call) {
  return element == Element::float32 ? call(float{}) : call(Bfloat16{});
}

/// Calls `call` with std::true_type or std::false_type.
template <typename Call>
cudaError_t with_bool(bool value, const Call& call) {
  return value ? call(std::true_type{}) : call(std::false_type{});
}

}  // namespace fg::optim::kernels
