#include <array>
#include <cstdio>

#include <fg/base/utf8.hpp>

#include "jinja/lexer.hpp"
#include "jinja/unicode.hpp"

namespace fg::text::jinja {
namespace {

/// Bytes.encode("ascii", "backslashreplace"): every other character becomes an escape first, so a
/// backslash before it escapes that escape, as in jinja2.
std::string replace_non_ascii(const std::string& body) {
  std::string ascii;
  for (std::size_t at = 0; at < body.size();) {
    const char32_t c = next_code_point(body, at);
    if (c < 0x80) {
      ascii.push_back(static_cast<char>(c));
      continue;
    }
    std::array<char, 12> escape;
    const char* format = c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x";
    std::snprintf(escape.data(), escape.size(), format, static_cast<unsigned>(c));
    ascii += escape.data();
  }
  return ascii;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Decoder {
public:
  Decoder(std::string ascii, int line, int column)
      : text_(std::move(ascii)), line_(line), column_(column) {}

  std::string decode() {
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '\\' && at_ < text_.size())
        escape(text_[at_++]);
      else if (c == '\\')
        fail("\\ at end of string");
      else
        out_.push_back(c);
    }
    return std::move(out_);
  }

private:
  [[noreturn]] void fail(const std::string& message) const {
    throw SyntaxFailure(message, line_, column_);
  }

  void escape(char c) {
    static constexpr std::string_view from = "\\'\"abfnrtv";
    static constexpr std::string_view to = "\\'\"\a\b\f\n\r\t\v";
    if (const auto known = from.find(c); known != std::string_view::npos)
      out_.push_back(to[known]);
    else if (c >= '0' && c <= '7')
      octal(c);
    else if (c == 'x')
      hexadecimal(2, "truncated \\xXX escape");
    else if (c == 'u')
      hexadecimal(4, "truncated \\uXXXX escape");
    else if (c == 'U')
      hexadecimal(8, "truncated \\UXXXXXXXX escape");
    else if (c == 'N')
      fail("\\N{...} names in strings are not supported; write the character itself");
    else if (c != '\n')
      out_.append({'\\', c});
  }

  void octal(char first) {
    char32_t value = static_cast<char32_t>(first - '0');
    for (int i = 0; i < 2 && at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '7'; ++i)
      value = value * 8 + static_cast<char32_t>(text_[at_++] - '0');
    append_utf8(out_, value);
  }

  void hexadecimal(int digits, const char* message) {
    std::uint64_t value = 0;
    for (int i = 0; i < digits; ++i) {
      const int digit = at_ < text_.size() ? hex_value(text_[at_]) : -1;
      if (digit < 0) fail(message);
      value = value * 16 + static_cast<std::uint64_t>(digit);
      ++at_;
    }
    if (value > 0x10FFFF) fail("illegal Unicode character");
    if (value >= 0xD800 && value < 0xE000)
      fail("a lone surrogate in a string cannot be written as UTF-8");
    append_utf8(out_, static_cast<char32_t>(value));
  }

  std::string text_;
  int line_;
  int column_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string decode_string_literal(const std::string& body, int line, int column) {
  return Decoder(replace_non_ascii(body), line, column).decode();
}

}  // namespace fg::text::jinja
