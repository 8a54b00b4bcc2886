#include <bit>
#include <cstdint>
#include <cstring>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/store/convert_dtype.hpp>

namespace fg::store {
namespace {

// Each function works on bit patterns without branches, so that the compiler can vectorise the
// loop.

std::uint32_t float32_of_bfloat16(std::uint16_t bits) {
  return std::uint32_t{bits} << 16;
}

std::uint32_t float32_of_float16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t magnitude = bits & 0x7fffu;
  const std::uint32_t normal = (magnitude << 13) + (112u << 23);
  const std::uint32_t special = (magnitude << 13) | 0x7f800000u;
  // 2^-24 is the step of float16's subnormals.
  const auto subnormal = std::bit_cast<std::uint32_t>(
      static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24f);
  const std::uint32_t finite = magnitude < 0x0400u ? subnormal : normal;
  return sign | (magnitude < 0x7c00u ? finite : special);
}

std::uint16_t bfloat16_of_float32(std::uint32_t bits) {
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const std::uint32_t nan = (bits >> 16) | 0x40u;
  return static_cast<std::uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

std::uint16_t float16_of_float32(std::uint32_t bits) {
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const std::uint32_t rebased = magnitude - (112u << 23);
  const std::uint32_t normal = (rebased + 0xfffu + ((rebased >> 13) & 1u)) >> 13;
  // The step of floats in [0.5, 1) is 2^-24 as well: the addition itself rounds to nearest even.
  const std::uint32_t subnormal =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) -
      std::bit_cast<std::uint32_t>(0.5f);
  const std::uint32_t nan = 0x7e00u | ((magnitude >> 13) & 0x1ffu);
  const std::uint32_t finite = magnitude < 0x38800000u ? subnormal : normal;
  const std::uint32_t bounded = magnitude < 0x47800000u ? finite : 0x7c00u;
  return static_cast<std::uint16_t>(sign | (magnitude > 0x7f800000u ? nan : bounded));
}

/// For the planted fault: cuts instead of rounding.
std::uint16_t truncated_bfloat16(std::uint32_t bits) {
  return static_cast<std::uint16_t>(bits >> 16);
}

template <typename From, typename To, To (*one)(From)>
void convert_all(std::span<const std::byte> in, std::span<std::byte> out) {
  const std::size_t count = in.size() / sizeof(From);
  for (std::size_t index = 0; index < count; ++index) {
    From from;
    std::memcpy(&from, in.data() + index * sizeof(From), sizeof from);
    const To to = one(from);
    std::memcpy(out.data() + index * sizeof(To), &to, sizeof to);
  }
}

std::uint16_t bfloat16_of_float16(std::uint16_t bits) {
  return bfloat16_of_float32(float32_of_float16(bits));
}

std::uint16_t float16_of_bfloat16(std::uint16_t bits) {
  return float16_of_float32(float32_of_bfloat16(bits));
}

bool is_convertible(Dtype dtype) {
  return dtype == Dtype::float16 || dtype == Dtype::bfloat16 || dtype == Dtype::float32;
}

void convert_to_bfloat16(Dtype from, std::span<const std::byte> in, std::span<std::byte> out) {
  if (from == Dtype::float16)
    convert_all<std::uint16_t, std::uint16_t, bfloat16_of_float16>(in, out);
  else if (fault_planted("store.bfloat16_truncated"))
    convert_all<std::uint32_t, std::uint16_t, truncated_bfloat16>(in, out);
  else
    convert_all<std::uint32_t, std::uint16_t, bfloat16_of_float32>(in, out);
}

}  // namespace

bool can_convert(Dtype from, Dtype to) {
  return from == to || (is_convertible(from) && is_convertible(to));
}

void convert(Dtype from, std::span<const std::byte> in, Dtype to, std::span<std::byte> out) {
  FG_CHECK(can_convert(from, to));
  FG_CHECK(in.size() % size_of(from) == 0);
  FG_CHECK(out.size() / size_of(to) == in.size() / size_of(from) && out.size() % size_of(to) == 0);
  if (in.empty()) return;
  if (from == to)
    std::memmove(out.data(), in.data(), in.size());
  else if (to == Dtype::bfloat16)
    convert_to_bfloat16(from, in, out);
  else if (to == Dtype::float16 && from == Dtype::bfloat16)
    convert_all<std::uint16_t, std::uint16_t, float16_of_bfloat16>(in, out);
  else if (to == Dtype::float16)
    convert_all<std::uint32_t, std::uint16_t, float16_of_float32>(in, out);
  else if (from == Dtype::bfloat16)
    convert_all<std::uint16_t, std::uint32_t, float32_of_bfloat16>(in, out);
  else
    convert_all<std::uint16_t, std::uint32_t, float32_of_float16>(in, out);
}

}  // namespace fg::store
