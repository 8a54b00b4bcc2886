#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "jinja/failure.hpp"

namespace fg::text::jinja {

enum class TokenKind {
  data,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  real,
  op,  // an operator, its spelling in `text`
  end,
  error,  // the text is not a token; raised when the parser gets here
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  // spelling; for strings the decoded value, for errors the message
  std::int64_t integer = 0;
  double real = 0;
  int line = 1;
  int column = 1;

  bool is_name(const char* name) const { return kind == TokenKind::name && text == name; }
  bool is_op(const char* spelling) const { return kind == TokenKind::op && text == spelling; }
};

/// Cuts a template into tokens with trim_blocks and lstrip_blocks on, as jinja2's lexer does:
/// whitespace control, raw blocks and comments are already applied. The list ends with `end` or
/// `error`. Line numbers are jinja2's.
std::vector<Token> tokenize(const std::string& source);

/// The value of a string literal without its quotes (Python's unicode-escape of ASCII with
/// backslash replacement). SyntaxFailure at the given place.
std::string decode_string_literal(const std::string& body, int line, int column);

}  // namespace fg::text::jinja
