#include "jinja/numbers.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "jinja/failure.hpp"
#include "jinja/unicode.hpp"

namespace fg::text::jinja {
namespace {

/// Strips white space and turns digits of other scripts into ASCII; nothing if an underscore is not
/// between digits.
std::optional<std::string> plain_number(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (const int digit = decimal_value(c); digit >= 0)
      plain.push_back(static_cast<char>('0' + digit));
    else if (is_space(c))
      plain.push_back(' ');
    else if (c < 0x80)
      plain.push_back(static_cast<char>(c));
    else
      return std::nullopt;
  }
  const auto first = plain.find_first_not_of(' ');
  if (first == std::string::npos) return std::nullopt;
  return plain.substr(first, plain.find_last_not_of(' ') - first + 1);
}

/// Removes underscores that stand between two characters that `is_digit` accepts.
template <typename IsDigit>
std::optional<std::string> without_underscores(const std::string& text, bool leading_allowed,
                                               IsDigit is_digit) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      result.push_back(text[i]);
      continue;
    }
    const bool before = i > 0 ? is_digit(text[i - 1]) : leading_allowed;
    if (!before || i + 1 >= text.size() || !is_digit(text[i + 1])) return std::nullopt;
  }
  return result;
}

int base_of_prefix(char mark) {
  switch (mark) {
    case 'x':
    case 'X':
      return 16;
    case 'o':
    case 'O':
      return 8;
    case 'b':
    case 'B':
      return 2;
    default:
      return 0;
  }
}

}  // namespace

std::string real_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 64> buffer;
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                     std::chars_format::scientific);
  std::string text(buffer.data(), written.ptr);
  const auto e = text.find('e');
  const int exponent = std::atoi(text.c_str() + e + 1);
  std::string digits;
  for (const char c : text.substr(0, e))
    if (c >= '0' && c <= '9') digits.push_back(c);
  const std::string sign = text[0] == '-' ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    std::string result = sign + digits.substr(0, 1);
    if (digits.size() > 1) result += "." + digits.substr(1);
    std::array<char, 16> suffix;
    std::snprintf(suffix.data(), suffix.size(), "e%+03d", exponent);
    return result + suffix.data();
  }
  if (exponent < 0)
    return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string fixed_digits(double value, int decimals) {
  const int size = std::snprintf(nullptr, 0, "%.*f", decimals, value);
  std::string text(static_cast<std::size_t>(size) + 1, '\0');
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  text.pop_back();
  return text;
}

std::optional<std::int64_t> parse_integer(std::string_view text, int base) {
  if (base != 0 && (base < 2 || base > 36)) return std::nullopt;
  const auto plain = plain_number(text);
  if (!plain) return std::nullopt;
  std::string digits = *plain;
  const bool negative = digits[0] == '-';
  if (negative || digits[0] == '+') digits.erase(0, 1);
  bool prefixed = false;
  if (digits.size() > 2 && digits[0] == '0') {
    const int named = base_of_prefix(digits[1]);
    if (named != 0 && (base == 0 || base == named)) {
      base = named;
      digits.erase(0, 2);
      prefixed = true;
    }
  }
  const bool decimal_by_default = base == 0;
  if (decimal_by_default) base = 10;
  const auto is_digit = [base](char c) {
    std::int64_t ignored = 0;
    return c != '-' && std::from_chars(&c, &c + 1, ignored, base).ec == std::errc();
  };
  const auto bare = without_underscores(digits, prefixed, is_digit);
  if (!bare || bare->empty()) return std::nullopt;
  for (const char c : *bare)
    if (!is_digit(c)) return std::nullopt;
  if (decimal_by_default && (*bare)[0] == '0' && bare->find_first_not_of('0') != std::string::npos)
    return std::nullopt;
  const std::string signed_text = (negative ? "-" : "") + *bare;
  std::int64_t value = 0;
  const auto parsed =
      std::from_chars(signed_text.data(), signed_text.data() + signed_text.size(), value, base);
  if (parsed.ec != std::errc()) limit_failure("integer does not fit in 64 bits");
  return value;
}

std::optional<double> parse_real(std::string_view text) {
  const auto plain = plain_number(text);
  if (!plain) return std::nullopt;
  const auto bare = without_underscores(*plain, false, [](char c) { return c >= '0' && c <= '9'; });
  if (!bare) return std::nullopt;
  std::string body = *bare;
  for (char& c : body) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const std::size_t start = body[0] == '-' || body[0] == '+' ? 1 : 0;
  const std::string word = body.substr(start);
  const bool is_word = word == "inf" || word == "infinity" || word == "nan";
  if (!is_word && (word.empty() || word.find_first_not_of("0123456789.e+-") != std::string::npos))
    return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(body.c_str(), &end);
  if (end != body.c_str() + body.size()) return std::nullopt;
  return value;
}

std::int64_t truncate_real(double value) {
  if (std::isnan(value)) value_failure("cannot convert float NaN to integer");
  if (std::isinf(value))
    throw Failure(FailureKind::overflow, "cannot convert float infinity to integer");
  if (value >= 9223372036854775808.0 || value < -9223372036854775808.0)
    limit_failure("integer does not fit in 64 bits");
  return static_cast<std::int64_t>(value);
}

double round_real(double value, std::int64_t digits) {
  if (!std::isfinite(value) || digits > 323) return value;
  if (digits < -308) return std::copysign(0.0, value);
  if (digits >= 0)
    return std::strtod(fixed_digits(value, static_cast<int>(digits)).c_str(), nullptr);
  // Exact for what a template can ask: the quotient has at least as many bits as the value.
  const long double unit = std::pow(10.0L, static_cast<long double>(-digits));
  return static_cast<double>(std::nearbyint(static_cast<long double>(value) / unit) * unit);
}

std::int64_t round_integer(std::int64_t value, std::int64_t digits) {
  if (digits >= 0) return value;
  if (digits < -18) return 0;
  std::int64_t unit = 1;
  for (std::int64_t i = 0; i < -digits; ++i) unit *= 10;
  std::int64_t remainder = value % unit;
  std::int64_t base = value - remainder;
  if (remainder < 0) {
    remainder += unit;
    base -= unit;
  }
  const bool odd = (base / unit) % 2 != 0;
  const bool up = remainder > unit - remainder || (remainder == unit - remainder && odd);
  if (up && __builtin_add_overflow(base, unit, &base))
    limit_failure("integer does not fit in 64 bits");
  return base;
}

}  // namespace fg::text::jinja
