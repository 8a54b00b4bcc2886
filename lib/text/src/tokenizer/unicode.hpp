#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace fg::text::tok {

// What the Rust package sees in a code point. Its regexes (Oniguruma 6.9.10, regex-syntax) know
// Unicode 16, its normalizers Unicode 9, Rust's own digits Unicode 17; utf8proc and PCRE2 know
// whatever the system has (14 at least), so the differences are tabled here. Where a property is
// asked for that the tables do not settle, the answer is the system's.

/// Bits of `char_class`.
enum CharClass : std::uint8_t {
  class_letter = 1,  // L
  class_number = 2,  // N
  class_space = 4,   // \s, White_Space
  class_upper = 8,   // Lu Lt Lm Lo M: what may begin a word in Tekken's pattern
  class_lower = 16,  // Ll Lm Lo M
  class_mark = 32,   // M
  class_break = 64,  // \r \n
};

/// The bits of every code point (none for one above U+10FFFF), in pages of 256 of which most are
/// alike.
class ClassTable {
public:
  static const ClassTable& shared();

  std::uint8_t operator()(char32_t code_point) const {
    return code_point > 0x10FFFF ? 0 : pages_[page_numbers_[code_point >> 8]][code_point & 0xFF];
  }

private:
  ClassTable();

  std::array<std::uint16_t, 0x1100> page_numbers_{};
  std::vector<std::array<std::uint8_t, 256>> pages_;
};

inline std::uint8_t char_class(char32_t code_point) {
  return ClassTable::shared()(code_point);
}

/// A code point of the same category, script Han or not, and UTF-8 length that every supported
/// PCRE2 knows; the code point itself where PCRE2 and Oniguruma agree on it.
char32_t known_twin(char32_t code_point);

/// \w of Rust's regex package: alphabetic, mark, decimal digit, connector, joiner.
bool is_word(char32_t code_point);
/// Rust's char::is_numeric.
bool is_numeric(char32_t code_point);
/// True where Unicode 9 knows no decomposition and no combining class.
bool is_inert_in_unicode_9(char32_t code_point);

}  // namespace fg::text::tok
