#include "jinja/format_spec.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "jinja/numbers.hpp"
#include "jinja/operators.hpp"
#include "jinja/python_text.hpp"
#include "jinja/unicode.hpp"

namespace fg::text::jinja {
namespace {

bool is_align(char32_t c) {
  return c == '<' || c == '>' || c == '=' || c == '^';
}

class SpecReader {
public:
  explicit SpecReader(const std::string& text) : text_(text) {}

  FormatSpec read() {
    read_alignment();
    if (peek() == '+' || peek() == '-' || peek() == ' ') spec_.sign = take();
    if (peek() == '#') {
      spec_.alternate = true;
      take();
    }
    if (peek() == '0') {
      take();
      spec_.zero = true;
      if (spec_.fill == ' ' && !has_fill_) spec_.fill = '0';
      if (spec_.align == '\0') spec_.align = '=';
    }
    spec_.width = number();
    if (peek() == ',' || peek() == '_') spec_.grouping = take();
    if (peek() == ',' || peek() == '_') value_failure("Cannot specify both ',' and '_'.");
    if (peek() == '.') {
      take();
      if (peek() < '0' || peek() > '9') value_failure("Format specifier missing precision");
      spec_.precision = static_cast<int>(number());
    }
    if (at_ < text_.size()) spec_.type = take();
    if (at_ < text_.size()) value_failure("Invalid format specifier");
    return spec_;
  }

private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  char take() { return text_[at_++]; }

  void read_alignment() {
    std::size_t after = 0;
    if (text_.empty()) return;
    const char32_t first = next_code_point(text_, after);
    if (after < text_.size() && is_align(static_cast<unsigned char>(text_[after]))) {
      spec_.fill = first;
      has_fill_ = true;
      spec_.align = text_[after];
      at_ = after + 1;
    } else if (is_align(first)) {
      spec_.align = take();
    }
  }

  std::size_t number() {
    std::size_t value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + static_cast<std::size_t>(take() - '0');
      if (value > max_format_width)
        limit_failure("a format is wider than " + std::to_string(max_format_width));
    }
    return value;
  }

  const std::string& text_;
  FormatSpec spec_;
  bool has_fill_ = false;
  std::size_t at_ = 0;
};

Text padded(const FormatSpec& spec, const Text& body, char default_align) {
  const std::size_t points = count_code_points(body.view());
  const std::size_t missing = spec.width > points ? spec.width - points : 0;
  const char align = spec.align == '\0' ? default_align : spec.align;
  const std::size_t before = align == '>' ? missing : align == '^' ? missing / 2 : 0;
  Text result;
  for (std::size_t i = 0; i < before; ++i) result.append_code_point(spec.fill, no_marks);
  result.append(body);
  for (std::size_t i = before; i < missing; ++i) result.append_code_point(spec.fill, no_marks);
  return result;
}

Text format_text(const FormatSpec& spec, const Text& text) {
  if (spec.type != '\0' && spec.type != 's')
    value_failure(std::string("Unknown format code '") + spec.type + "' for object of type 'str'");
  if (spec.sign != '-') value_failure("Sign not allowed in string format specifier");
  if (spec.alternate) value_failure("Alternate form (#) not allowed in string format specifier");
  if (spec.grouping != '\0') value_failure("Cannot specify ',' with 's'.");
  if (spec.align == '=' && !spec.zero)
    value_failure("'=' alignment not allowed in string format specifier");
  FormatSpec own = spec;
  if (own.align == '=') own.align = '<';
  Text cut = text;
  if (spec.precision)
    cut = text.slice(0, byte_offset(text.view(), static_cast<std::size_t>(*spec.precision)));
  return padded(own, cut, '<');
}

/// Digits with separators from the right; zeros in front up to `width` characters.
std::string grouped(std::string digits, char separator, std::size_t group, std::size_t width) {
  if (separator == '\0') {
    if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
    return digits;
  }
  std::string reversed;
  std::size_t count = 0;
  for (std::size_t i = digits.size(); i > 0 || reversed.size() < width; ++count) {
    if (count > 0 && count % group == 0) {
      reversed.push_back(separator);
      if (i == 0 && reversed.size() >= width) {
        reversed.push_back('0');
        break;
      }
    }
    reversed.push_back(i > 0 ? digits[--i] : '0');
  }
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

Text number_text(const FormatSpec& spec, bool negative, const std::string& prefix,
                 const std::string& digits, std::size_t group) {
  const std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  const auto end = std::find_if(digits.begin(), digits.end(), [](char c) {
    return std::isxdigit(static_cast<unsigned char>(c)) == 0 || c == 'e';
  });
  const auto whole = static_cast<std::size_t>(end - digits.begin());
  const std::string rest = digits.substr(whole);
  const bool fills = spec.align == '=' && spec.fill == '0';
  const std::size_t taken = sign.size() + prefix.size() + rest.size();
  const std::size_t room = fills && spec.width > taken ? spec.width - taken : 0;
  const std::string body =
      whole == 0 ? rest : grouped(digits.substr(0, whole), spec.grouping, group, room) + rest;
  if (spec.align != '=' || fills) return padded(spec, Text(sign + prefix + body), '>');
  Text result(sign + prefix);
  const std::size_t size = sign.size() + prefix.size() + body.size();
  for (std::size_t i = size; i < spec.width; ++i) result.append_code_point(spec.fill, no_marks);
  result.append(body);
  return result;
}

std::string unsigned_digits(std::uint64_t value, unsigned base, bool upper) {
  std::string digits;
  do {
    const char c = "0123456789abcdef"[value % base];
    digits.insert(digits.begin(), upper ? static_cast<char>(std::toupper(c)) : c);
    value /= base;
  } while (value > 0);
  return digits;
}

Text format_integer(const FormatSpec& spec, std::int64_t value) {
  if (spec.precision) value_failure("Precision not allowed in integer format specifier");
  const std::uint64_t size =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  unsigned base = 10;
  switch (spec.type) {
    case '\0':
    case 'd':
    case 'n':
      break;
    case 'b':
      base = 2;
      break;
    case 'o':
      base = 8;
      break;
    case 'x':
    case 'X':
      base = 16;
      break;
    case 'c': {
      if (spec.sign != '-') value_failure("Sign not allowed with integer format specifier 'c'");
      if (value < 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
        throw Failure(FailureKind::overflow, "%c arg not in range(0x110000)");
      Text text;
      text.append_code_point(static_cast<char32_t>(value), no_marks);
      FormatSpec own = spec;
      return padded(own, text, '<');
    }
    default:
      value_failure(std::string("Unknown format code '") + spec.type +
                    "' for object of type 'int'");
  }
  if (spec.grouping == ',' && base != 10) value_failure("Cannot specify ',' with this type.");
  if (spec.grouping != '\0' && spec.type == 'n') value_failure("Cannot specify ',' with 'n'.");
  const std::string prefix =
      spec.alternate && base != 10 ? std::string("0") + spec.type : std::string();
  return number_text(spec, value < 0, prefix, unsigned_digits(size, base, spec.type == 'X'),
                     base == 10 ? 3 : 4);
}

Text format_real(const FormatSpec& spec, double value) {
  static constexpr std::string_view types = "eEfFgGn%";
  if (spec.type != '\0' && types.find(spec.type) == std::string_view::npos)
    value_failure(std::string("Unknown format code '") + spec.type +
                  "' for object of type 'float'");
  std::string digits;
  if (spec.type == '\0' && !spec.precision) {
    digits = real_repr(value);
  } else if (spec.type == '\0') {
    digits = real_in_type(value, 'g', *spec.precision, spec.alternate);
    // Like g, but with at least one digit behind the point.
    if (digits.find_first_of(".en") == std::string::npos) {
      const bool too_long =
          static_cast<int>(digits.size()) - (digits[0] == '-') >= std::max(*spec.precision, 1);
      digits = too_long && *spec.precision > 0 && digits.size() > 1 && std::fabs(value) >= 10
                   ? real_in_type(value, 'e', std::max(*spec.precision - 1, 0), false)
                   : digits + ".0";
    }
  } else {
    const char type = spec.type == '%' ? 'f' : spec.type == 'n' ? 'g' : spec.type;
    digits = real_in_type(spec.type == '%' ? value * 100 : value, type, spec.precision.value_or(6),
                          spec.alternate);
    if (spec.type == '%') digits += "%";
  }
  const bool negative = digits[0] == '-';
  if (negative) digits.erase(0, 1);
  return number_text(spec, negative, "", digits, 3);
}

}  // namespace

std::string real_in_type(double value, char type, int precision, bool alternate) {
  if (std::isnan(value)) return std::isupper(static_cast<unsigned char>(type)) != 0 ? "NAN" : "nan";
  const std::string pattern = std::string("%") + (alternate ? "#" : "") + ".*" + type;
  std::array<char, 64> small;
  const int size = std::snprintf(small.data(), small.size(), pattern.c_str(), precision, value);
  if (size < static_cast<int>(small.size())) return small.data();
  std::string text(static_cast<std::size_t>(size) + 1, '\0');
  std::snprintf(text.data(), text.size(), pattern.c_str(), precision, value);
  text.pop_back();
  return text;
}

Text format_value(Interpreter& run, const Value& value, const std::string& spec_text) {
  if (spec_text.empty()) return to_str(run.budget(), value);
  if (value.is(Kind::string)) return format_text(SpecReader(spec_text).read(), value.string().text);
  if (!value.is_number())
    type_failure("unsupported format string passed to " + type_name(value) + ".__format__");
  const FormatSpec spec = SpecReader(spec_text).read();
  static constexpr std::string_view real_types = "eEfFgG%";
  const bool as_real = spec.type != '\0' && real_types.find(spec.type) != std::string_view::npos;
  if (value.is(Kind::real) || as_real) return format_real(spec, value.real());
  return format_integer(spec, value.integer());
}

}  // namespace fg::text::jinja
