#include "jinja/unicode.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include <utf8proc.h>

#include <fg/base/utf8.hpp>

namespace fg::text::jinja {
namespace {

struct CodeRange {
  char32_t first;
  char32_t last;
};

constexpr CodeRange digit_ranges[] = {
#include "jinja/digit_ranges.inc"
};
constexpr CodeRange numeric_ranges[] = {
#include "jinja/numeric_ranges.inc"
};
constexpr CodeRange other_lower_ranges[] = {
#include "jinja/other_lower_ranges.inc"
};
constexpr CodeRange other_upper_ranges[] = {
#include "jinja/other_upper_ranges.inc"
};

struct SpecialCasing {
  char32_t code_point;
  char32_t upper[4];
  char32_t title[4];
};
constexpr SpecialCasing special_casings[] = {
#include "jinja/special_casing.inc"
};

template <std::size_t count>
bool is_in(const CodeRange (&ranges)[count], char32_t c) {
  const auto* at =
      std::upper_bound(std::begin(ranges), std::end(ranges), c,
                       [](char32_t x, const CodeRange& range) { return x < range.first; });
  return at != std::begin(ranges) && c <= std::prev(at)->last;
}

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

const SpecialCasing* special_casing(char32_t c) {
  const auto* at =
      std::lower_bound(std::begin(special_casings), std::end(special_casings), c,
                       [](const SpecialCasing& row, char32_t x) { return row.code_point < x; });
  return at != std::end(special_casings) && at->code_point == c ? at : nullptr;
}

void append_all(Text& out, const char32_t (&points)[4], Marks marks) {
  for (const char32_t c : points)
    if (c != 0) out.append_code_point(c, marks);
}

void append_folded(Text& out, char32_t c, Marks marks) {
  std::array<utf8proc_int32_t, 8> folded;
  int boundary = UTF8PROC_BOUNDCLASS_START;
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(c), folded.data(), static_cast<utf8proc_ssize_t>(folded.size()),
      UTF8PROC_CASEFOLD, &boundary);
  for (utf8proc_ssize_t i = 0; i < count; ++i)
    out.append_code_point(static_cast<char32_t>(folded[static_cast<std::size_t>(i)]), marks);
}

}  // namespace

bool is_space(char32_t c) {
  return (c >= 0x9 && c <= 0xD) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

bool is_line_break(char32_t c) {
  return (c >= 0xA && c <= 0xD) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

bool is_alpha(char32_t c) {
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_ND;
}
bool is_digit(char32_t c) {
  return is_decimal(c) || is_in(digit_ranges, c);
}

bool is_numeric(char32_t c) {
  const auto kind = category(c);
  return (kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO) || is_in(numeric_ranges, c);
}

bool is_alnum(char32_t c) {
  return is_alpha(c) || is_numeric(c);
}
bool is_word(char32_t c) {
  return is_alnum(c) || c == '_';
}

bool is_lower(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LL || is_in(other_lower_ranges, c);
}

bool is_upper(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LU || is_in(other_upper_ranges, c);
}

bool is_title(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LT;
}
bool is_cased(char32_t c) {
  return is_lower(c) || is_upper(c) || is_title(c);
}

bool is_case_ignorable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      // The middle letters, middle numbers and quotes of Word_Break.
      return c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x387 || c == 0x55F ||
             c == 0x5F4 || c == 0x2018 || c == 0x2019 || c == 0x2024 || c == 0x2027 ||
             c == 0xFE13 || c == 0xFE52 || c == 0xFE55 || c == 0xFF07 || c == 0xFF0E || c == 0xFF1A;
  }
}

bool is_printable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    case UTF8PROC_CATEGORY_ZS:
      return c == ' ';
    default:
      return true;
  }
}

int decimal_value(char32_t c) {
  if (c >= '0' && c <= '9') return static_cast<int>(c - '0');
  if (c < 0x80 || !is_decimal(c)) return -1;
  // Every script's ten digits are consecutive and begin at a code point that ends in 0 or 6, except
  // the mathematical digits, whose five alphabets begin at U+1D7CE.
  if (c >= 0x1D7CE && c <= 0x1D7FF) return static_cast<int>((c - 0x1D7CE) % 10);
  int value = 0;
  while (value < 9 && is_decimal(c - static_cast<char32_t>(value) - 1)) ++value;
  return value;
}

bool is_identifier(std::string_view name) {
  if (name.empty()) return false;
  for (std::size_t at = 0; at < name.size();) {
    const bool first = at == 0;
    const char32_t c = next_code_point(name, at);
    const auto kind = category(c);
    const bool starts = is_alpha(c) || kind == UTF8PROC_CATEGORY_NL || c == '_';
    const bool goes_on = kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_MC ||
                         kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_PC || c == 0xB7;
    if (!starts && (first || !goes_on)) return false;
  }
  return true;
}

void append_cased(Text& out, char32_t c, Case how, Marks marks) {
  const auto point = static_cast<utf8proc_int32_t>(c);
  switch (how) {
    case Case::fold:
      append_folded(out, c, marks);
      return;
    case Case::lower:
      if (c == 0x130) {
        out.append("i\xCC\x87", marks);  // the one lower form of two code points
        return;
      }
      out.append_code_point(static_cast<char32_t>(utf8proc_tolower(point)), marks);
      return;
    case Case::upper:
    case Case::title:
      if (const SpecialCasing* special = special_casing(c)) {
        append_all(out, how == Case::upper ? special->upper : special->title, marks);
        return;
      }
      out.append_code_point(static_cast<char32_t>(how == Case::upper ? utf8proc_toupper(point)
                                                                     : utf8proc_totitle(point)),
                            marks);
      return;
  }
}

char32_t next_code_point(std::string_view text, std::size_t& offset) {
  const auto decoded = decode_utf8(text.substr(offset));
  if (!decoded) {
    ++offset;
    return 0xFFFD;
  }
  offset += decoded->length;
  return decoded->value;
}

char32_t previous_code_point(std::string_view text, std::size_t& offset) {
  do {
    --offset;
  } while (offset > 0 && (static_cast<unsigned char>(text[offset]) & 0xC0) == 0x80);
  std::size_t at = offset;
  return next_code_point(text, at);
}

std::size_t count_code_points(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
  }));
}

std::size_t byte_offset(std::string_view text, std::size_t index) {
  std::size_t at = 0;
  while (at < text.size()) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80 && index-- == 0) return at;
    ++at;
  }
  return at;
}

}  // namespace fg::text::jinja
