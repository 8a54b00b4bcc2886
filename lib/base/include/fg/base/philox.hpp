#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace fg {

using PhiloxKey = std::array<std::uint32_t, 2>;
using PhiloxBlock = std::array<std::uint32_t, 4>;

/// Philox 4x32 with 10 rounds: four uniform 32-bit words that depend on counter and key alone
/// (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11).
constexpr PhiloxBlock philox_4x32_10(PhiloxBlock counter, PhiloxKey key) noexcept {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t left = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t right = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(right >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(right),
               static_cast<std::uint32_t>(left >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(left)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// The random words of one logical tensor at one step. Word n is a function of (seed, use, name,
/// step, n) and of nothing else: not of the order of calls, the storage, the ranks or the device.
/// `use` keeps purposes apart ("init", "rounding", …), so that two of them never share words.
class RandomStream {
public:
  RandomStream(std::uint64_t seed, std::string_view use, std::string_view name,
               std::uint64_t step) noexcept;

  /// Words 4n to 4n + 3.
  constexpr PhiloxBlock block(std::uint64_t n) const noexcept {
    return philox_4x32_10(
        {static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(n >> 32),
         static_cast<std::uint32_t>(step_), static_cast<std::uint32_t>(step_ >> 32)},
        key_);
  }
  constexpr std::uint32_t word(std::uint64_t n) const noexcept { return block(n / 4)[n % 4]; }

  /// Half-words 2n and 2n + 1 are the low and the high half of word n.
  constexpr std::uint16_t half_word(std::uint64_t n) const noexcept {
    return static_cast<std::uint16_t>(word(n / 2) >> (n % 2 * 16));
  }

  /// Key and step, for kernels that run `philox_4x32_10` themselves.
  PhiloxKey key() const noexcept { return key_; }
  std::uint64_t step() const noexcept { return step_; }

private:
  PhiloxKey key_;
  std::uint64_t step_;
};

/// Uniform in [0, 1): the word's upper 24 bits, so exact in float.
constexpr float uniform_unit(std::uint32_t word) noexcept {
  return static_cast<float>(word >> 8) * 0x1p-24F;
}

}  // namespace fg
