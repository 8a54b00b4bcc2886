#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>

#include <fg/base/units.hpp>

namespace fg {

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !(number >= 0)) return std::nullopt;
  std::string unit;
  for (const char* at = end; at != text.data() + text.size(); ++at)
    if (*at != ' ') unit += static_cast<char>(std::tolower(static_cast<unsigned char>(*at)));

  static constexpr std::array<std::string_view, 5> prefixes = {"", "k", "m", "g", "t"};
  for (std::size_t power = 0; power < prefixes.size(); ++power) {
    const std::string prefix(prefixes[power]);
    double factor = 0;
    if (unit == prefix + "b" || unit == prefix) factor = std::pow(1000.0, power);
    if (power > 0 && unit == prefix + "ib") factor = std::pow(1024.0, power);
    if (factor == 0) continue;
    const double bytes = number * factor;
    if (bytes >= 9.2e18) return std::nullopt;
    return static_cast<std::uint64_t>(bytes);
  }
  return std::nullopt;
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " bytes";
  static constexpr std::array<const char*, 4> units = {"KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f %s", value, units[unit]);
  return text.data();
}

std::string with_thousands(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

}  // namespace fg
