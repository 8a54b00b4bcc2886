#pragma once

#include <cstddef>
#include <string_view>

#include "jinja/text.hpp"

namespace fg::text::jinja {

// Python's str predicates and case mappings for one code point.
bool is_space(char32_t c);
bool is_alpha(char32_t c);
bool is_decimal(char32_t c);
bool is_digit(char32_t c);
bool is_numeric(char32_t c);
bool is_alnum(char32_t c);
bool is_lower(char32_t c);
bool is_upper(char32_t c);
bool is_title(char32_t c);
bool is_printable(char32_t c);
bool is_cased(char32_t c);
bool is_case_ignorable(char32_t c);
bool is_line_break(char32_t c);
bool is_word(char32_t c);  // \w of Python's re
/// Value of a decimal digit of any script, -1 if it is none.
int decimal_value(char32_t c);
bool is_identifier(std::string_view name);

enum class Case { upper, lower, title, fold };
/// Appends the full mapping of `c` (more than one code point where Unicode says so).
void append_cased(Text& out, char32_t c, Case how, Marks marks);

/// Code point at `offset` of valid UTF-8; moves `offset` behind it.
char32_t next_code_point(std::string_view text, std::size_t& offset);
/// Code point that ends at `offset`; moves `offset` before it.
char32_t previous_code_point(std::string_view text, std::size_t& offset);
std::size_t count_code_points(std::string_view text);
/// Offset of the code point number `index`, or the size where the text is shorter.
std::size_t byte_offset(std::string_view text, std::size_t index);

}  // namespace fg::text::jinja
