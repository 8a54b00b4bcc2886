#include "adamw.cuh"

namespace fg::optim::kernels {
namespace {

constexpr int threads = 256;
constexpr int most_blocks_with_books = 1056;  // each copies the books once

/// Codes of eight elements: a byte each, or half a byte, the first in the high half.
template <int Bits>
struct Codes;

template <>
struct Codes<8> {
  uint2 words;
  __device__ static Codes load(const std::uint8_t* codes, std::int64_t group) {
    return {reinterpret_cast<const uint2*>(codes)[group]};
  }
  __device__ void store(std::uint8_t* codes, std::int64_t group) const {
    reinterpret_cast<uint2*>(codes)[group] = words;
  }
  __device__ std::uint32_t operator[](int i) const {
    return (i < 4 ? words.x : words.y) >> (i % 4 * 8) & 255;
  }
  __device__ void set(int i, std::uint32_t code) {
    (i < 4 ? words.x : words.y) |= code << (i % 4 * 8);
  }
};

template <>
struct Codes<4> {
  std::uint32_t word;
  __device__ static Codes load(const std::uint8_t* codes, std::int64_t group) {
    return {reinterpret_cast<const std::uint32_t*>(codes)[group]};
  }
  __device__ void store(std::uint8_t* codes, std::int64_t group) const {
    reinterpret_cast<std::uint32_t*>(codes)[group] = word;
  }
  __device__ static int shift(int i) { return i / 2 * 8 + (i % 2 == 0 ? 4 : 0); }
  __device__ std::uint32_t operator[](int i) const { return word >> shift(i) & 15; }
  __device__ void set(int i, std::uint32_t code) { word |= code << shift(i); }
};

template <int Bits>
struct SharedBook {
  float values[1 << Bits];
  float tree[1 << Bits];

  __device__ void copy(const Book& book) {
    for (int i = static_cast<int>(threadIdx.x); i < 1 << Bits; i += threads) {
      values[i] = book.values[i];
      tree[i] = book.tree[i];
    }
  }
  /// The code of the value nearest to x.
  __device__ std::uint32_t code(float x) const {
    std::uint32_t node = 1;
#pragma unroll
    for (int level = 0; level < Bits; ++level) node = 2 * node + (x >= tree[node] ? 1 : 0);
    return node - (1U << Bits);
  }
};

/// The largest of `x` in the lanes that share a block: a warp, or one half of it.
template <int Lanes>
__device__ float block_largest(float x) {
  const unsigned mask = Lanes == 32 ? 0xFFFFFFFFU : 0xFFFFU << (threadIdx.x & 16U);
#pragma unroll
  for (int distance = Lanes / 2; distance > 0; distance /= 2)
    x = fmaxf(x, __shfl_xor_sync(mask, x, distance));
  return x;
}

template <int Bits>
struct MomentAccess {
  static constexpr int lanes = Bits == 8 ? 32 : 16;  // of eight elements, in a block

  __device__ static void load(const QuantisedMoment& from, const SharedBook<Bits>& book,
                              std::int64_t group, float (&to)[8]) {
    const auto codes = Codes<Bits>::load(from.codes, group);
    const float scale = from.scales[group / lanes];
#pragma unroll
    for (int i = 0; i < 8; ++i) to[i] = book.values[codes[i]] * scale;
  }

  __device__ static void store(const QuantisedMoment& to, const SharedBook<Bits>& book,
                               std::int64_t group, const float (&x)[8]) {
    float largest = 1e-12F;
#pragma unroll
    for (int i = 0; i < 8; ++i) largest = fmaxf(largest, fabsf(x[i]));
    const float scale = block_largest<lanes>(largest);
    Codes<Bits> codes{};
#pragma unroll
    for (int i = 0; i < 8; ++i) codes.set(i, book.code(x[i] / scale));
    codes.store(to.codes, group);
    if (threadIdx.x % lanes == 0) to.scales[group / lanes] = scale;
  }
};

/// Eight elements from logical index `begin` of the piece; without `Vector` they may lie in several
/// rows.
template <bool Vector, typename T>
struct Gather {
  T* data;
  std::int64_t columns;
  std::int64_t stride;

  __device__ T* at(std::int64_t index) const {
    const std::int64_t row = index / columns;
    return data + row * stride + (index - row * columns);
  }
  __device__ auto load(std::int64_t begin) const {
    if constexpr (Vector) {
      return load_eight<true>(stride == columns ? data + begin : at(begin), 8);
    } else {
      std::remove_const_t<T> elements[8];
#pragma unroll
      for (int i = 0; i < 8; ++i) elements[i] = *at(begin + i);
      return load_eight<false>(elements, 8);
    }
  }
  __device__ void store(std::int64_t begin, const Eight<T>& raw) const {
    if constexpr (Vector) {
      store_eight<true>(stride == columns ? data + begin : at(begin), 8, raw);
    } else {
      T elements[8];
      store_eight<false>(elements, 8, raw);
#pragma unroll
      for (int i = 0; i < 8; ++i) *at(begin + i) = elements[i];
    }
  }
};

template <int Bits, typename P, typename G, bool Vector>
__global__ void __launch_bounds__(threads) blocks_kernel(const AdamWBlocks args) {
  __shared__ SharedBook<Bits> first_book, second_book;
  const Target& target = args.target;
  if (is_raised(target.flag)) return;
  first_book.copy(args.first_book);
  second_book.copy(args.second_book);
  __syncthreads();
  const AdamWFactors factors = *args.factors;
  const float factor = gradient_factor(target);
  const Gather<Vector, const G> gradient{static_cast<const G*>(target.gradient.data),
                                         target.columns, target.gradient.stride};
  const Gather<Vector, P> values{static_cast<P*>(target.values.data), target.columns,
                                 target.values.stride};
  using Access = MomentAccess<Bits>;
  // Whole blocks of state: the lanes of one are all in the loop, or none is.
  const std::int64_t groups = target.rows * target.columns / 8;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * threads;
  for (std::int64_t k = static_cast<std::int64_t>(blockIdx.x) * threads + threadIdx.x; k < groups;
       k += step) {
    const auto raw_g = gradient.load(8 * k);
    const auto raw_p = values.load(8 * k);
    float g[8], p[8], m[8], v[8];
    Access::load(args.first, first_book, k, m);
    Access::load(args.second, second_book, k, v);
    unpack(raw_g, g);
    unpack(raw_p, p);
    adamw_eight(factors, factor, g, m, v, p);
    Access::store(args.first, first_book, k, m);
    Access::store(args.second, second_book, k, v);
    // A piece begins with a block, so groups begin at multiples of eight in any case.
    values.store(
        8 * k, pack<true, P>(p, target.rounding, target.first + static_cast<std::uint64_t>(8 * k)));
  }
}

template <int Bits>
cudaError_t launch(const AdamWBlocks& args, cudaStream_t stream) {
  const Target& target = args.target;
  const std::int64_t groups = target.rows * target.columns / 8;
  if (groups == 0) return cudaSuccess;
  return with_type(target.values.type, [&](auto value) {
    return with_type(target.gradient.type, [&](auto gradient) {
      return with_bool(target.by_eights, [&](auto vector) {
        blocks_kernel<Bits, decltype(value), decltype(gradient), decltype(vector)::value>
            <<<blocks_for(groups, threads, most_blocks_with_books), threads, 0, stream>>>(args);
        return cudaGetLastError();
      });
    });
  });
}

}  // namespace

cudaError_t adamw_8bit(const AdamWBlocks& args, cudaStream_t stream) {
  return launch<8>(args, stream);
}

cudaError_t adamw_4bit(const AdamWBlocks& args, cudaStream_t stream) {
  return launch<4>(args, stream);
}

}  // namespace fg::optim::kernels
