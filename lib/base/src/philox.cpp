#include <fg/base/philox.hpp>

namespace fg {
namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit.
constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// FNV-1a. Part of the promise that a seed means the same numbers in every version.
constexpr std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xCBF29CE484222325;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return value;
}

}  // namespace

RandomStream::RandomStream(std::uint64_t seed, std::string_view use, std::string_view name,
                           std::uint64_t step) noexcept
    : step_(step) {
  std::uint64_t key = mix(seed + 0x9E3779B97F4A7C15);
  key = mix(key ^ hash(use));
  key = mix(key ^ hash(name));
  key_ = {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
}

}  // namespace fg
