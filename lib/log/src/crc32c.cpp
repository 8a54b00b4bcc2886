#include "crc32c.hpp"

#include <array>
#include <bit>

#include <fg/base/failpoint.hpp>

namespace fg::log {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0x82F63B78U : 0U);
    table[byte] = value;
  }
  return table;
}

constexpr auto table = make_table();

}  // namespace

std::uint32_t crc32c(std::string_view bytes) noexcept {
  std::uint32_t value = ~std::uint32_t{0};
  for (const char byte : bytes)
    value = (value >> 8) ^ table[(value ^ static_cast<unsigned char>(byte)) & 0xFF];
  return ~value;
}

std::uint32_t masked_crc32c(std::string_view bytes) noexcept {
  const std::uint32_t value = crc32c(bytes);
  if (fault_planted("log.crc_unmasked")) return value;
  return std::rotr(value, 15) + 0xA282EAD8U;
}

}  // namespace fg::log
