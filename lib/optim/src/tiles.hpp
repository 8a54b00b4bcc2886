#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <fg/base/philox.hpp>

namespace fg::optim {

/// Elements handled at once, through float32 buffers on the stack. A multiple of every block of
/// quantised state, so that a block never lies in two tiles.
inline constexpr std::int64_t tile_elements = 1024;

/// Memory as rows of contiguous elements, float32 or bfloat16; a vector is one row.
struct Matrix {
  void* data = nullptr;
  at::ScalarType dtype = at::kFloat;
  std::int64_t columns = 1;
  std::int64_t stride = 0;
};

/// The tensor as a matrix. Checks that its dimensions fold into rows (a bug otherwise), and its
/// type. `matrix_of` also that the host may read it.
Matrix matrix_anywhere(const at::Tensor& tensor);
Matrix matrix_of(const at::Tensor& tensor);

/// Elements [begin, begin + count) in row order, as float32.
void load(const Matrix& from, std::int64_t begin, std::int64_t count, float* to);

/// The other way; bfloat16 is rounded to the nearest.
void store(const Matrix& to, std::int64_t begin, std::int64_t count, const float* from);

/// As `store`, but bfloat16 is rounded stochastically by half-words [random_begin, …) of the
/// stream.
void store_stochastic(const Matrix& to, std::int64_t begin, std::int64_t count, const float* from,
                      const RandomStream& random, std::uint64_t random_begin);

inline std::int64_t tile_count(std::int64_t elements) {
  return (elements + tile_elements - 1) / tile_elements;
}

/// work(begin, count) for every tile, in parallel. Tiles do not depend on the number of threads.
template <typename Work>
void for_each_tile(std::int64_t elements, const Work& work) {
  constexpr std::int64_t grain = 16;
  at::parallel_for(0, tile_count(elements), grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t tile = first; tile < last; ++tile) {
      const std::int64_t begin = tile * tile_elements;
      work(begin, std::min(tile_elements, elements - begin));
    }
  });
}

/// work(row, column, offset, length) for each stretch of one row inside [begin, begin + count).
template <typename Work>
void for_each_stretch(std::int64_t begin, std::int64_t count, std::int64_t columns,
                      const Work& work) {
  std::int64_t row = begin / columns;
  std::int64_t column = begin % columns;
  for (std::int64_t offset = 0; offset < count; ++row, column = 0) {
    const std::int64_t length = std::min(count - offset, columns - column);
    work(row, column, offset, length);
    offset += length;
  }
}

/// Σ value(i), i < count, in eight lanes that are added at the end: an order that depends on
/// nothing but the count, and that vectorises.
template <typename Value>
double sum_in_lanes(std::int64_t count, const Value& value) {
  constexpr std::int64_t lanes = 8;
  double sums[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (std::int64_t lane = 0; lane < lanes; ++lane) sums[lane] += value(i + lane);
  for (; i < count; ++i) sums[i % lanes] += value(i);
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

/// Σ x² in double.
double sum_of_squares(const float* x, std::int64_t count);

/// The sum of measure(begin, count) over all tiles, added in the order of the tiles.
double sum_over_tiles(std::int64_t elements,
                      const std::function<double(std::int64_t, std::int64_t)>& measure);

}  // namespace fg::optim
