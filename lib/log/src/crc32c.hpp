#pragma once

#include <cstdint>
#include <string_view>

namespace fg::log {

/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), RFC 3720 appendix B.4.
std::uint32_t crc32c(std::string_view bytes) noexcept;

/// As TFRecord stores it: turned right by 15 bits, plus 0xA282EAD8, so that a CRC over data that
/// holds CRCs stays a good one.
std::uint32_t masked_crc32c(std::string_view bytes) noexcept;

}  // namespace fg::log
