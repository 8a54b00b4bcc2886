#include "jinja/lexer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include <fg/base/failpoint.hpp>

#include "jinja/unicode.hpp"

namespace fg::text::jinja {
namespace {

/// Line ends become \n, and one at the very end goes.
std::string normalize(const std::string& source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text.push_back(source[i]);
      continue;
    }
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    text.push_back('\n');
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}

class Lexer {
public:
  explicit Lexer(const std::string& source) : text_(normalize(source)) {}

  std::vector<Token> run() {
    try {
      while (at_ < text_.size()) lex_root();
      const int last_line = tokens_.empty() ? 1 : tokens_.back().line;
      push(TokenKind::end, "", at_).line = last_line;
    } catch (const SyntaxFailure& failure) {
      Token token;
      token.kind = TokenKind::error;
      token.text = failure.what();
      token.line = failure.line;
      token.column = failure.column;
      tokens_.push_back(std::move(token));
    }
    return std::move(tokens_);
  }

private:
  enum class Sign { none, minus, plus };

  std::string_view rest(std::size_t from) const { return std::string_view(text_).substr(from); }
  bool starts(std::size_t at, std::string_view what) const {
    return std::string_view(text_).substr(std::min(at, text_.size())).starts_with(what);
  }
  char peek(std::size_t at) const { return at < text_.size() ? text_[at] : '\0'; }

  /// Counts on from the last place asked for, so that a whole template costs one walk.
  int column_of(std::size_t at) {
    if (at < counted_) {
      const auto last = at == 0 ? std::string::npos : text_.rfind('\n', at - 1);
      counted_ = last == std::string::npos ? 0 : last + 1;
      column_ = 1;
    }
    for (; counted_ < at; ++counted_) {
      if (text_[counted_] == '\n')
        column_ = 1;
      else if ((static_cast<unsigned char>(text_[counted_]) & 0xC0) != 0x80)
        ++column_;
    }
    return column_;
  }

  [[noreturn]] void fail(const std::string& message, std::size_t at) {
    throw SyntaxFailure(message, line_, column_of(at));
  }

  Token& push(TokenKind kind, std::string text, std::size_t at) {
    Token token;
    token.kind = kind;
    token.text = std::move(text);
    token.line = line_;
    token.column = column_of(at);
    tokens_.push_back(std::move(token));
    return tokens_.back();
  }

  void count_lines(std::string_view text) {
    line_ += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }

  std::size_t skip_space(std::size_t at) const {
    while (at < text_.size()) {
      std::size_t next = at;
      if (!is_space(next_code_point(text_, next))) break;
      at = next;
    }
    return at;
  }

  Sign sign_at(std::size_t at) const {
    return peek(at) == '-' ? Sign::minus : peek(at) == '+' ? Sign::plus : Sign::none;
  }

  /// Emits the text before a tag, cut as the tag's sign and lstrip_blocks say, and counts its
  /// lines.
  void emit_data(std::size_t begin, std::size_t end, Sign sign, bool strips_line) {
    std::size_t cut = end;
    if (sign == Sign::minus) {
      while (cut > begin) {
        std::size_t before = cut;
        if (!is_space(previous_code_point(text_, before)) || before < begin) break;
        cut = before;
      }
    } else if (sign == Sign::none && strips_line && !lstrip_off_) {
      cut = start_of_blank(begin, end);
    }
    if (cut > begin) push(TokenKind::data, text_.substr(begin, cut - begin), begin);
    count_lines(std::string_view(text_).substr(begin, cut - begin));
    // What `-` stripped still counts; what lstrip_blocks stripped holds no line end.
    if (sign == Sign::minus) count_lines(std::string_view(text_).substr(cut, end - cut));
  }

  /// Where the white space between the last line end and a tag begins, or `end` if there is more.
  std::size_t start_of_blank(std::size_t begin, std::size_t end) const {
    const std::string_view data = std::string_view(text_).substr(begin, end - begin);
    const auto last = data.rfind('\n');
    if (last == std::string_view::npos && !line_starting_) return end;
    const std::size_t start = begin + (last == std::string_view::npos ? 0 : last + 1);
    return skip_space(start) >= end ? start : end;
  }

  void consume(std::size_t end) {
    line_starting_ = end > at_ && text_[end - 1] == '\n';
    at_ = end;
  }

  void lex_root() {
    const std::size_t begin = at_;
    std::size_t tag = begin;
    while (true) {
      tag = text_.find('{', tag);
      if (tag == std::string::npos) break;
      const char next = peek(tag + 1);
      if (next == '{' || next == '%' || next == '#') break;
      ++tag;
    }
    if (tag == std::string::npos) {
      push(TokenKind::data, text_.substr(begin), begin);
      count_lines(rest(begin));
      consume(text_.size());
      return;
    }
    const Sign sign = sign_at(tag + 2);
    const std::size_t inside = tag + 2 + (sign == Sign::none ? 0 : 1);
    emit_data(begin, tag, sign, peek(tag + 1) != '{');
    if (peek(tag + 1) == '%') {
      if (const auto raw_end = raw_begin(inside)) {
        count_lines(std::string_view(text_).substr(tag, *raw_end - tag));
        consume(*raw_end);
        lex_raw();
        return;
      }
    }
    consume(inside);
    if (peek(tag + 1) == '#') {
      lex_comment();
      return;
    }
    const bool block = peek(tag + 1) == '%';
    push(block ? TokenKind::block_begin : TokenKind::variable_begin, "", tag);
    lex_tag(block);
  }

  /// The end of `raw %}` if that follows the opening of a block.
  std::optional<std::size_t> raw_begin(std::size_t at) const {
    at = skip_space(at);
    if (!starts(at, "raw")) return std::nullopt;
    at = skip_space(at + 3);
    if (starts(at, "-%}")) return skip_space(at + 3);
    if (starts(at, "%}")) return at + 2;
    return std::nullopt;
  }

  /// The end of a closing tag `close` at `at`: with + nothing more, with - all white space, else
  /// one line end goes with it.
  std::optional<std::size_t> closing(std::size_t at, std::string_view close) const {
    if (peek(at) == '+' && starts(at + 1, close)) return at + 1 + close.size();
    if (peek(at) == '-' && starts(at + 1, close)) return skip_space(at + 1 + close.size());
    if (!starts(at, close)) return std::nullopt;
    at += close.size();
    return peek(at) == '\n' ? at + 1 : at;
  }

  void lex_comment() {
    if (at_ >= text_.size()) return;
    const std::size_t end = text_.find("#}", at_);
    if (end == std::string::npos) fail("Missing end of comment tag", at_);
    const bool has_sign = end > at_ && (text_[end - 1] == '+' || text_[end - 1] == '-');
    const std::size_t close = *closing(has_sign ? end - 1 : end, "#}");
    count_lines(std::string_view(text_).substr(at_, close - at_));
    consume(close);
  }

  void lex_raw() {
    if (at_ >= text_.size()) return;
    for (std::size_t tag = text_.find("{%", at_); tag != std::string::npos;
         tag = text_.find("{%", tag + 1)) {
      const Sign sign = sign_at(tag + 2);
      std::size_t at = skip_space(tag + 2 + (sign == Sign::none ? 0 : 1));
      if (!starts(at, "endraw")) continue;
      const auto close = closing(skip_space(at + 6), "%}");
      if (!close) continue;
      emit_data(at_, tag, sign, true);
      count_lines(std::string_view(text_).substr(tag, *close - tag));
      consume(*close);
      return;
    }
    fail("Missing end of raw directive", at_);
  }

  std::optional<std::size_t> tag_end(bool block) const {
    if (block) return closing(at_, "%}");
    if (starts(at_, "-}}")) return skip_space(at_ + 3);
    if (starts(at_, "}}")) return at_ + 2;
    return std::nullopt;
  }

  void lex_tag(bool block) {
    std::string brackets;
    while (at_ < text_.size()) {
      if (brackets.empty()) {
        if (const auto end = tag_end(block)) {
          push(block ? TokenKind::block_end : TokenKind::variable_end, "", at_);
          count_lines(std::string_view(text_).substr(at_, *end - at_));
          consume(*end);
          return;
        }
      }
      if (const std::size_t end = skip_space(at_); end > at_) {
        count_lines(std::string_view(text_).substr(at_, end - at_));
        consume(end);
        continue;
      }
      if (lex_real() || lex_integer() || lex_name() || lex_string()) continue;
      lex_operator(brackets);
    }
  }

  /// The end of `(\d+_)*\d+` at `at`, or `at` itself where no digit is.
  std::size_t digits(std::size_t at) const {
    std::size_t end = at;
    while (true) {
      std::size_t run = end;
      while (is_ascii_digit(peek(run))) ++run;
      if (run == end) return end > at && text_[end - 1] == '_' ? end - 1 : end;
      end = run;
      if (peek(end) != '_') return end;
      ++end;
    }
  }

  std::size_t exponent(std::size_t at) const {
    if (peek(at) != 'e' && peek(at) != 'E') return at;
    std::size_t number = at + 1;
    if (peek(number) == '+' || peek(number) == '-') ++number;
    const std::size_t end = digits(number);
    return end == number ? at : end;
  }

  bool lex_real() {
    if (at_ > 0 && text_[at_ - 1] == '.') return false;
    const std::size_t whole = digits(at_);
    if (whole == at_) return false;
    std::size_t end = whole;
    if (peek(whole) == '.') {
      const std::size_t fraction = digits(whole + 1);
      if (fraction > whole + 1) end = fraction;
    }
    end = exponent(end);
    if (end == whole) return false;
    std::string digits_only = text_.substr(at_, end - at_);
    std::erase(digits_only, '_');
    Token& token = push(TokenKind::real, text_.substr(at_, end - at_), at_);
    token.real = std::strtod(digits_only.c_str(), nullptr);
    consume(end);
    return true;
  }

  /// The end of `(_?[digits of base])+` at `at`.
  std::size_t grouped(std::size_t at, int base) const {
    const auto is_digit_of_base = [base](char c) {
      if (base == 16) return std::isxdigit(static_cast<unsigned char>(c)) != 0;
      return c >= '0' && c < '0' + base;
    };
    while (true) {
      const std::size_t digit = peek(at) == '_' ? at + 1 : at;
      if (!is_digit_of_base(peek(digit))) return at;
      at = digit + 1;
    }
  }

  bool lex_integer() {
    if (!is_ascii_digit(peek(at_))) return false;
    std::size_t end = at_;
    int base = 10;
    std::size_t prefix = 0;
    const char mark = static_cast<char>(std::tolower(static_cast<unsigned char>(peek(at_ + 1))));
    if (peek(at_) == '0' && (mark == 'b' || mark == 'o' || mark == 'x')) {
      const int other = mark == 'b' ? 2 : mark == 'o' ? 8 : 16;
      if (const std::size_t grouped_end = grouped(at_ + 2, other); grouped_end > at_ + 2) {
        base = other;
        prefix = 2;
        end = grouped_end;
      }
    }
    if (prefix == 0) {
      if (peek(at_) == '0') {
        end = at_ + 1;
        while (peek(peek(end) == '_' ? end + 1 : end) == '0') end += peek(end) == '_' ? 2 : 1;
      } else {
        end = grouped(at_, 10);
      }
    }
    push_integer(at_ + prefix, end, base);
    return true;
  }

  void push_integer(std::size_t begin, std::size_t end, int base) {
    std::string digits_only = text_.substr(begin, end - begin);
    std::erase(digits_only, '_');
    std::int64_t value = 0;
    const char* last = digits_only.data() + digits_only.size();
    const auto [stopped, error] = std::from_chars(digits_only.data(), last, value, base);
    if (error != std::errc() || stopped != last) fail("integer does not fit in 64 bits", at_);
    push(TokenKind::integer, text_.substr(at_, end - at_), at_).integer = value;
    consume(end);
  }

  bool lex_name() {
    std::size_t end = at_;
    while (end < text_.size()) {
      std::size_t next = end;
      const char32_t c = next_code_point(text_, next);
      const bool goes_on =
          c < 0x80 ? is_word(c) : is_word(c) || is_identifier("a" + text_.substr(end, next - end));
      if (!goes_on) break;
      end = next;
    }
    if (end == at_) return false;
    const std::string name = text_.substr(at_, end - at_);
    if (!is_identifier(name)) fail("Invalid character in identifier", at_);
    push(TokenKind::name, name, at_);
    consume(end);
    return true;
  }

  bool lex_string() {
    const char quote = peek(at_);
    if (quote != '\'' && quote != '"') return false;
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) return false;
    const std::string body = text_.substr(at_ + 1, end - at_ - 1);
    const std::string value = decode_string_literal(body, line_, column_of(at_));
    push(TokenKind::string, value, at_);
    count_lines(body);
    consume(end + 1);
    return true;
  }

  void lex_operator(std::string& brackets) {
    static constexpr std::string_view doubles[] = {"//", "**", "==", "!=", ">=", "<="};
    static constexpr std::string_view singles = "+-/*%~[](){}><=.:|,;";
    std::string spelling;
    for (const std::string_view candidate : doubles)
      if (starts(at_, candidate)) spelling = candidate;
    if (spelling.empty() && singles.find(text_[at_]) != std::string_view::npos)
      spelling = text_.substr(at_, 1);
    if (spelling.empty()) {
      std::size_t next = at_;
      next_code_point(text_, next);
      fail("unexpected char '" + text_.substr(at_, next - at_) + "'", at_);
    }
    match_bracket(brackets, spelling);
    push(TokenKind::op, spelling, at_);
    consume(at_ + spelling.size());
  }

  void match_bracket(std::string& brackets, const std::string& spelling) {
    static constexpr std::string_view open = "([{";
    static constexpr std::string_view close = ")]}";
    if (const auto opened = open.find(spelling); opened != std::string_view::npos)
      brackets.push_back(close[opened]);
    if (close.find(spelling) == std::string_view::npos) return;
    if (brackets.empty()) fail("unexpected '" + spelling + "'", at_);
    if (brackets.back() != spelling[0])
      fail("unexpected '" + spelling + "', expected '" + brackets.back() + "'", at_);
    brackets.pop_back();
  }

  std::string text_;
  std::size_t at_ = 0;
  std::size_t counted_ = 0;
  int column_ = 1;
  int line_ = 1;
  bool line_starting_ = true;
  bool lstrip_off_ = fault_planted("text.lstrip_off");
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(const std::string& source) {
  return Lexer(source).run();
}

}  // namespace fg::text::jinja
