#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fg {

/// "5GB" (10^9), "512MiB" (2^20), "1000" (bytes), upper or lower case; nothing where it is none.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

/// "1.50 GiB", "312 bytes".
std::string format_bytes(std::uint64_t bytes);

/// 1234567 → "1,234,567".
std::string with_thousands(std::uint64_t number);

}  // namespace fg
