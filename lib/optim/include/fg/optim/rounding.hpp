#pragma once

#include <bit>
#include <cstdint>

namespace fg::optim {

/// The bits of the bfloat16 nearest to `value`, ties to even; NaN stays NaN.
constexpr std::uint16_t round_nearest(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<std::uint16_t>((bits >> 16) | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

/// The bits of one of the two bfloat16 around `value`: the farther from zero with probability
/// (lower half of its float32 bits) / 65536, so that the mean over `random` is `value` exactly.
/// A finite value stays finite.
constexpr std::uint16_t round_stochastic(float value, std::uint16_t random) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t kept = bits >> 16;
  if ((kept & 0x7F80) == 0x7F80) return round_nearest(value);
  const std::uint32_t rounded = kept + (random < (bits & 0xFFFF) ? 1 : 0);
  return static_cast<std::uint16_t>((rounded & 0x7F80) == 0x7F80 ? kept : rounded);
}

constexpr float from_bfloat16(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

}  // namespace fg::optim
