#include "fg/arch/new_rows.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include <fg/base/error.hpp>

namespace fg::arch {
namespace {

template <typename Word>
Word load(const std::byte* bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

double from_float16(std::uint16_t bits) {
  // The fraction and exponent land in a float's, whose bias is 112 more: one exact multiplication
  // mends that, subnormal numbers included.
  const auto magnitude = static_cast<std::uint32_t>(bits & 0x7fff) << 13;
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
  const float value = (bits & 0x7c00) == 0x7c00 ? std::bit_cast<float>(magnitude | 0x7f800000)
                                                : std::bit_cast<float>(magnitude) * 0x1p112F;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
}

double from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

/// A 16-bit binary float: sign, `exponent_bits`, the rest fraction (IEEE 754 layout).
struct SmallFloat {
  int exponent_bits;
  int fraction_bits;
};

/// Rounds once, nearest with ties to even. (Going through float first would round twice.)
std::uint16_t round_to(double value, SmallFloat format) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  const auto infinity =
      static_cast<std::uint16_t>(((1 << format.exponent_bits) - 1) << format.fraction_bits);
  const auto quiet = static_cast<std::uint16_t>(infinity | (1 << (format.fraction_bits - 1)));
  if (std::isnan(value)) return sign | quiet;
  if (std::isinf(value)) return sign | infinity;
  if (value == 0) return sign;
  const int exponent = std::max(std::ilogb(value), 1 - bias);
  // In units of the last place of that binade; an integer after rounding. A carry into the next
  // binade comes out right by itself, since the encodings are consecutive.
  const double units =
      std::nearbyint(std::ldexp(std::fabs(value), format.fraction_bits - exponent));
  const auto whole = static_cast<std::int64_t>(units);
  const std::int64_t encoded =
      whole + (static_cast<std::int64_t>(exponent + bias - 1) << format.fraction_bits);
  return sign | (encoded >= infinity ? infinity : static_cast<std::uint16_t>(encoded));
}

template <typename Word, typename Convert>
void add_row(const std::byte* bytes, std::span<double> sums, Convert convert) {
  for (double& sum : sums) {
    sum += convert(load<Word>(bytes));
    bytes += sizeof(Word);
  }
}

void add_row(const std::byte* bytes, store::Dtype dtype, std::span<double> sums) {
  if (dtype == store::Dtype::float16)
    add_row<std::uint16_t>(bytes, sums, from_float16);
  else if (dtype == store::Dtype::bfloat16)
    add_row<std::uint16_t>(bytes, sums, from_bfloat16);
  else if (dtype == store::Dtype::float32)
    add_row<float>(bytes, sums, [](float value) { return static_cast<double>(value); });
  else
    add_row<double>(bytes, sums, [](double value) { return value; });
}

template <typename Word>
void store_word(std::byte* bytes, Word word) {
  std::memcpy(bytes, &word, sizeof word);
}

void store_element(std::byte* bytes, store::Dtype dtype, double value) {
  if (dtype == store::Dtype::float16)
    store_word(bytes, round_to(value, {5, 10}));
  else if (dtype == store::Dtype::bfloat16)
    store_word(bytes, round_to(value, {8, 7}));
  else if (dtype == store::Dtype::float32)
    store_word(bytes, static_cast<float>(value));
  else
    store_word(bytes, value);
}

}  // namespace

MeanRow::MeanRow(std::size_t columns, store::Dtype dtype) : dtype_(dtype), sums_(columns, 0.0) {
  FG_CHECK(store::is_floating(dtype));
}

void MeanRow::add(std::span<const std::byte> rows) {
  const std::size_t width = store::size_of(dtype_);
  const std::size_t row_bytes = width * sums_.size();
  if (row_bytes == 0) return;
  FG_CHECK(rows.size() % row_bytes == 0);
  for (std::size_t row = 0; row < rows.size(); row += row_bytes) {
    add_row(rows.data() + row, dtype_, sums_);
    ++row_count_;
  }
}

std::vector<std::byte> MeanRow::finish() const {
  FG_CHECK(row_count_ > 0);
  const std::size_t width = store::size_of(dtype_);
  std::vector<std::byte> row(width * sums_.size());
  for (std::size_t column = 0; column < sums_.size(); ++column)
    store_element(row.data() + column * width, dtype_,
                  sums_[column] / static_cast<double>(row_count_));
  return row;
}

}  // namespace fg::arch
