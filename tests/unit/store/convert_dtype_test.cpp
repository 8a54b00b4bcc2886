#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <fg/store/convert_dtype.hpp>

namespace fg::store {
namespace {

/// A 16-bit float's value, by the definition of the format.
double value_of(std::uint16_t bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1)
    return fraction != 0 ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  const double significand = std::ldexp(fraction, -fraction_bits) + (exponent != 0 ? 1 : 0);
  return sign * std::ldexp(significand, std::max(exponent, 1) - bias);
}

/// The nearest 16-bit float by search, ties to the even pattern: the slow twin.
std::uint16_t nearest_of(double value, int exponent_bits) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const auto infinity =
      static_cast<std::uint16_t>(((1 << exponent_bits) - 1) << (15 - exponent_bits));
  value = std::fabs(value);
  std::uint16_t low = 0;
  std::uint16_t high = infinity;
  while (high - low > 1) {
    const auto middle = static_cast<std::uint16_t>((low + high) / 2);
    (value_of(middle, exponent_bits) <= value ? low : high) = middle;
  }
  // The step above the largest number is as wide as the one below it.
  const double above = high == infinity
                           ? 2 * value_of(low, exponent_bits) -
                                 value_of(static_cast<std::uint16_t>(low - 1), exponent_bits)
                           : value_of(high, exponent_bits);
  const double down = value - value_of(low, exponent_bits);
  const double up = above - value;
  const bool takes_low = down < up || (down == up && low % 2 == 0);
  return static_cast<std::uint16_t>(sign | (takes_low ? low : high));
}

template <typename To, typename From>
To converted(Dtype from_type, From from, Dtype to_type) {
  To to;
  convert(from_type, std::as_bytes(std::span(&from, 1)), to_type,
          std::as_writable_bytes(std::span(&to, 1)));
  return to;
}

TEST(Convert, WidensEvery16BitPatternExactly) {
  for (std::uint32_t pattern = 0; pattern < 65536; ++pattern) {
    const auto bits = static_cast<std::uint16_t>(pattern);
    for (const auto& [dtype, exponent_bits] :
         {std::pair(Dtype::float16, 5), {Dtype::bfloat16, 8}}) {
      const auto wide = std::bit_cast<float>(converted<std::uint32_t>(dtype, bits, Dtype::float32));
      const double value = value_of(bits, exponent_bits);
      ASSERT_TRUE(std::isnan(value) ? std::isnan(wide) : wide == value) << pattern;
      ASSERT_EQ(std::signbit(wide), (pattern & 0x8000) != 0) << pattern;
    }
  }
}

void expect_nearest(float value) {
  for (const auto& [dtype, exponent_bits] : {std::pair(Dtype::float16, 5), {Dtype::bfloat16, 8}}) {
    const auto bits = converted<std::uint16_t>(Dtype::float32, value, dtype);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(value_of(bits, exponent_bits)));
    } else {
      ASSERT_EQ(bits, nearest_of(value, exponent_bits)) << std::hexfloat << value;
    }
  }
}

TEST(Convert, RoundsToNearestEvenLikeTheSlowTwin) {
  std::mt19937 random(11);
  for (int round = 0; round < 50'000; ++round)
    expect_nearest(std::bit_cast<float>(static_cast<std::uint32_t>(random())));
  for (std::uint32_t half = 0; half < 65536; half += 13)  // the neighbourhood of every tie
    for (const std::uint32_t low : {0x0fffu, 0x1000u, 0x1001u, 0x7fffu, 0x8000u, 0x8001u})
      expect_nearest(std::bit_cast<float>(half << 16 | low));
  for (const float value : {65504.0f, 65519.99f, 65520.0f, 65536.0f, 5.9604645e-8f, 2.9802322e-8f,
                            2.9802326e-8f, 6.1035156e-5f, 6.1005e-5f, 0.0f, -0.0f})
    expect_nearest(value);
}

TEST(Convert, RoundsOnceBetweenThe16BitTypes) {
  for (std::uint32_t pattern = 0; pattern < 65536; ++pattern) {
    const auto bits = static_cast<std::uint16_t>(pattern);
    const double half = value_of(bits, 5);
    if (!std::isnan(half)) {
      ASSERT_EQ(converted<std::uint16_t>(Dtype::float16, bits, Dtype::bfloat16),
                nearest_of(half, 8));
    }
    const double brain = value_of(bits, 8);
    if (!std::isnan(brain)) {
      ASSERT_EQ(converted<std::uint16_t>(Dtype::bfloat16, bits, Dtype::float16),
                nearest_of(brain, 5));
    }
  }
}

TEST(Convert, KeepsTheSignOfNan) {
  const std::uint32_t nan = 0xff800001u;

  EXPECT_EQ(converted<std::uint16_t>(Dtype::float32, nan, Dtype::bfloat16) & 0xffc0, 0xffc0);
  EXPECT_EQ(converted<std::uint16_t>(Dtype::float32, nan, Dtype::float16) & 0xfe00, 0xfe00);
}

TEST(Convert, TakesManyElementsAtUnalignedPlaces) {
  std::vector<std::byte> in(1 + 4 * 37);
  std::vector<std::byte> out(1 + 2 * 37);
  const float value = -2.5f;
  for (std::size_t index = 0; index < 37; ++index)
    std::memcpy(in.data() + 1 + 4 * index, &value, 4);

  convert(Dtype::float32, std::span(in).subspan(1), Dtype::bfloat16, std::span(out).subspan(1));

  EXPECT_EQ(out[1 + 2 * 36], std::byte{0x20});
  EXPECT_EQ(out[2 + 2 * 36], std::byte{0xc0});
}

TEST(Convert, KnowsWhichTypesItTakes) {
  EXPECT_TRUE(can_convert(Dtype::int64, Dtype::int64));
  EXPECT_TRUE(can_convert(Dtype::float16, Dtype::float32));
  EXPECT_FALSE(can_convert(Dtype::int8, Dtype::float32));
  EXPECT_FALSE(can_convert(Dtype::float64, Dtype::float32));
}

}  // namespace
}  // namespace fg::store
