#include "tiles.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/optim/rounding.hpp>

namespace fg::optim {
namespace {

bool folds_into_rows(const at::Tensor& tensor) {
  if (tensor.size(-1) > 1 && tensor.stride(-1) != 1) return false;
  for (std::int64_t d = 0; d + 2 < tensor.dim(); ++d)
    if (tensor.stride(d) != tensor.stride(d + 1) * tensor.size(d + 1)) return false;
  return true;
}

constexpr std::uint64_t half_words_a_block = 8;

// Half-words [first, first + count) of a stream, count at most a tile. Whole blocks first, in a
// loop that compilers vectorise.
void fill_half_words(const RandomStream& random, std::uint64_t first, std::int64_t count,
                     std::uint16_t* to) {
  static const bool by_position = fault_planted("optim.rounding_counts_locally");
  if (by_position) first = 0;
  const std::uint64_t first_block = first / half_words_a_block;
  const std::uint64_t skipped = first % half_words_a_block;
  const std::uint64_t wanted = skipped + static_cast<std::uint64_t>(count);
  const std::uint64_t blocks = (wanted + half_words_a_block - 1) / half_words_a_block;
  std::uint32_t words[(tile_elements / half_words_a_block + 1) * 4];
  for (std::uint64_t i = 0; i < blocks; ++i) {
    const PhiloxBlock block = random.block(first_block + i);
    for (std::size_t k = 0; k < 4; ++k) words[4 * i + k] = block[k];
  }
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(count); ++i) {
    const std::uint64_t at = skipped + i;
    to[i] = static_cast<std::uint16_t>(words[at / 2] >> (at % 2 * 16));
  }
}

}  // namespace

Matrix matrix_of(const at::Tensor& tensor) {
  FG_CHECK(tensor.defined() && tensor.device().is_cpu());
  return matrix_anywhere(tensor);
}

Matrix matrix_anywhere(const at::Tensor& tensor) {
  FG_CHECK(tensor.defined());
  FG_CHECK(tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16);
  Matrix matrix{tensor.data_ptr(), tensor.scalar_type(), 1, 0};
  if (tensor.numel() == 0) return matrix;
  if (tensor.dim() < 2) {
    FG_CHECK(tensor.numel() == 1 || tensor.stride(0) == 1);
    matrix.columns = tensor.numel();
    return matrix;
  }
  FG_CHECK(folds_into_rows(tensor));
  matrix.columns = tensor.size(-1);
  matrix.stride = tensor.stride(-2);
  return matrix;
}

void load(const Matrix& from, std::int64_t begin, std::int64_t count, float* to) {
  for_each_stretch(begin, count, from.columns,
                   [&](std::int64_t row, std::int64_t column, std::int64_t offset, std::int64_t n) {
                     const std::int64_t at = row * from.stride + column;
                     if (from.dtype == at::kFloat) {
                       std::memcpy(to + offset, static_cast<const float*>(from.data) + at,
                                   static_cast<std::size_t>(n) * sizeof(float));
                       return;
                     }
                     const auto* source = static_cast<const std::uint16_t*>(from.data) + at;
                     for (std::int64_t i = 0; i < n; ++i) to[offset + i] = from_bfloat16(source[i]);
                   });
}

void store(const Matrix& to, std::int64_t begin, std::int64_t count, const float* from) {
  for_each_stretch(begin, count, to.columns,
                   [&](std::int64_t row, std::int64_t column, std::int64_t offset, std::int64_t n) {
                     const std::int64_t at = row * to.stride + column;
                     if (to.dtype == at::kFloat) {
                       std::memcpy(static_cast<float*>(to.data) + at, from + offset,
                                   static_cast<std::size_t>(n) * sizeof(float));
                       return;
                     }
                     auto* target = static_cast<std::uint16_t*>(to.data) + at;
                     for (std::int64_t i = 0; i < n; ++i)
                       target[i] = round_nearest(from[offset + i]);
                   });
}

void store_stochastic(const Matrix& to, std::int64_t begin, std::int64_t count, const float* from,
                      const RandomStream& random, std::uint64_t random_begin) {
  if (to.dtype == at::kFloat) return store(to, begin, count, from);
  FG_CHECK(count <= tile_elements);
  std::uint16_t words[tile_elements];
  fill_half_words(random, random_begin, count, words);
  static const bool always_up = fault_planted("optim.rounding_always_up");
  if (always_up) std::fill_n(words, count, std::uint16_t{0});
  for_each_stretch(begin, count, to.columns,
                   [&](std::int64_t row, std::int64_t column, std::int64_t offset, std::int64_t n) {
                     auto* target = static_cast<std::uint16_t*>(to.data) + row * to.stride + column;
                     for (std::int64_t i = 0; i < n; ++i)
                       target[i] = round_stochastic(from[offset + i], words[offset + i]);
                   });
}

double sum_of_squares(const float* x, std::int64_t count) {
  return sum_in_lanes(
      count, [x](std::int64_t i) { return static_cast<double>(x[i]) * static_cast<double>(x[i]); });
}

double sum_over_tiles(std::int64_t elements,
                      const std::function<double(std::int64_t, std::int64_t)>& measure) {
  std::vector<double> parts(static_cast<std::size_t>(tile_count(elements)));
  for_each_tile(elements, [&](std::int64_t begin, std::int64_t count) {
    parts[static_cast<std::size_t>(begin / tile_elements)] = measure(begin, count);
  });
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

}  // namespace fg::optim
