#include "blockwise.hpp"

#include <algorithm>
#include <cmath>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

namespace fg::optim {
namespace {

// Midpoints of `parts` equal parts of [0.1, 1], times 10^exponent.
void add_decade(std::vector<double>& values, int parts, int exponent, bool is_signed) {
  for (int k = 0; k < parts; ++k) {
    const double value = (0.1 + 0.9 * (k + 0.5) / parts) * std::pow(10.0, exponent);
    values.push_back(value);
    if (is_signed) values.push_back(-value);
  }
}

// Every decade below 1 has twice the parts of the decade below it.
std::vector<double> dynamic_map(int decades, bool is_signed) {
  std::vector<double> values{0.0, 1.0};
  for (int i = 0; i < decades; ++i)
    add_decade(values, (is_signed ? 1 : 2) << i, i - decades + 1, is_signed);
  std::sort(values.begin(), values.end());
  return values;
}

std::vector<double> map_of(int bits, bool is_signed) {
  if (bits == 8) return dynamic_map(7, is_signed);
  if (is_signed) return dynamic_map(3, true);
  std::vector<double> values;
  for (int k = 1; k <= 16; ++k) values.push_back(k / 16.0);
  return values;
}

CodeBook make_book(int bits, bool is_signed) {
  CodeBook book;
  for (const double value : map_of(bits, is_signed))
    book.values.push_back(static_cast<float>(value));
  FG_CHECK(book.values.size() == std::size_t{1} << bits);
  for (std::size_t k = 0; k + 1 < book.values.size(); ++k)
    book.midpoints.push_back(book.values[k] + (book.values[k + 1] - book.values[k]) * 0.5F);
  return book;
}

constexpr std::int64_t largest_block = 256;

/// For each x = block[i] / scale the number of midpoints at or below it, by a binary search that
/// goes level by level over the whole block and has no branch to mispredict.
void nearest_codes(const CodeBook& book, const float* block, float scale, std::int64_t count,
                   std::uint32_t* codes) {
  float x[largest_block];
  FG_CHECK(count <= largest_block);
  for (std::int64_t i = 0; i < count; ++i) x[i] = block[i] / scale;
  std::fill_n(codes, count, 0U);
  const float* midpoints = book.midpoints.data();
  for (auto step = static_cast<std::uint32_t>(book.values.size() / 2); step > 0; step /= 2)
    for (std::int64_t i = 0; i < count; ++i)
      codes[i] += step * static_cast<std::uint32_t>(x[i] >= midpoints[codes[i] + step - 1]);
}

}  // namespace

const CodeBook& code_book(int bits, bool is_signed) {
  static const CodeBook books[] = {make_book(4, false), make_book(4, true), make_book(8, false),
                                   make_book(8, true)};
  FG_CHECK(bits == 4 || bits == 8);
  return books[(bits == 8 ? 2 : 0) + (is_signed ? 1 : 0)];
}

void quantise_block(const CodeBook& book, int bits, const float* block, std::int64_t count,
                    std::uint8_t* codes, float* scale) {
  float largest = 1e-12F;
  for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(block[i]));
  static const bool last_only = fault_planted("optim.block_scale_of_last");
  if (last_only) largest = std::max(1e-12F, std::abs(block[count - 1]));
  *scale = largest;
  std::uint32_t nearest[largest_block];
  nearest_codes(book, block, largest, count, nearest);
  if (bits == 8) {
    for (std::int64_t i = 0; i < count; ++i) codes[i] = static_cast<std::uint8_t>(nearest[i]);
    return;
  }
  static const bool low_first = fault_planted("optim.nibbles_swapped");
  for (std::int64_t i = 0; i < count; i += 2) {
    const std::uint32_t first = nearest[i], second = nearest[i + 1];
    codes[i / 2] = static_cast<std::uint8_t>(low_first ? second << 4 | first : first << 4 | second);
  }
}

void dequantise_block(const CodeBook& book, int bits, const std::uint8_t* codes, float scale,
                      std::int64_t count, float* block) {
  if (bits == 8) {
    for (std::int64_t i = 0; i < count; ++i) block[i] = book.values[codes[i]] * scale;
    return;
  }
  for (std::int64_t i = 0; i < count; i += 2) {
    block[i] = book.values[codes[i / 2] >> 4] * scale;
    block[i + 1] = book.values[codes[i / 2] & 15] * scale;
  }
}

}  // namespace fg::optim
