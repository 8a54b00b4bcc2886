#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fg {

/// One code point and how many bytes it took (1 to 4).
struct CodePoint {
  char32_t value;
  std::size_t length;
};

/// The code point at the start of `text` by RFC 3629 (no surrogates, no overlong forms, at most
/// U+10FFFF), or nothing where it does not begin one.
std::optional<CodePoint> decode_utf8(std::string_view text);

void append_utf8(std::string& text, char32_t code_point);

/// Offset of the first byte that is not valid UTF-8, or nothing.
std::optional<std::size_t> find_invalid_utf8(std::string_view text);

}  // namespace fg
