#include "tokenizer/known_pattern.hpp"

#include <array>

#include "tokenizer/unicode.hpp"
#include "tokenizer/utf8_scan.hpp"

namespace fg::text::tok {
namespace {

constexpr std::array<std::string_view, 4> expressions = {
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)",
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)",
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

/// Finds the match that begins at a position, alternative by alternative, as a backtracking matcher
/// would. A result of 0 is no match.
class Scanner {
public:
  Scanner(std::string_view text, std::size_t end)
      : text_(text), end_(end), classes_(ClassTable::shared()) {}

  template <KnownPattern pattern>
  std::size_t match(std::size_t at) const {
    std::size_t found = 0;
    if constexpr (pattern == KnownPattern::gpt2) {
      if ((found = contraction(at, false)) != 0) return found;
      return gpt2_run(at);
    } else {
      if constexpr (pattern == KnownPattern::tekken) {
        if ((found = mixed_word(at)) != 0) return found;
      } else {
        if ((found = contraction(at, true)) != 0) return found;
        if ((found = word(at)) != 0) return found;
      }
      constexpr int max_digits = pattern == KnownPattern::llama3 ? 3 : 1;
      if ((found = number(at, max_digits)) != 0) return found;
      if ((found = others(at, pattern == KnownPattern::tekken)) != 0) return found;
      return spaces(at, true);
    }
  }

private:
  struct Char {
    std::uint8_t bits;
    std::uint8_t length;
  };

  /// Class and length of the code point at `at`, which is before the end.
  Char look(std::size_t at) const {
    const auto byte = static_cast<unsigned char>(text_[at]);
    if (byte < 0x80) return {classes_(byte), 1};
    std::size_t length = 0;
    const char32_t point = scan_utf8(text_, at, length);
    return {classes_(point), static_cast<std::uint8_t>(length)};
  }

  std::size_t run(std::size_t at, std::uint8_t bits) const {
    while (at < end_) {
      const Char c = look(at);
      if ((c.bits & bits) == 0) break;
      at += c.length;
    }
    return at;
  }

  /// [^\s\p{L}\p{N}]*
  std::size_t run_of_others(std::size_t at) const {
    while (at < end_) {
      const Char c = look(at);
      if ((c.bits & (class_space | class_letter | class_number)) != 0) break;
      at += c.length;
    }
    return at;
  }

  /// 's|'t|'re|'ve|'m|'ll|'d. Without regard to case, s is also U+017F.
  std::size_t contraction(std::size_t at, bool caseless) const {
    if (text_[at] != '\'' || at + 1 >= end_) return 0;
    const auto letter = [&](std::size_t i) {
      const char c = i < end_ ? text_[i] : '\0';
      return caseless && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    const char first = letter(at + 1);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
    const char second = letter(at + 2);
    if ((first == 'r' || first == 'v') && second == 'e') return at + 3;
    if (first == 'l' && second == 'l') return at + 3;
    if (caseless && text_.substr(at + 1, 2) == "\xC5\xBF" && at + 3 <= end_) return at + 3;
    return 0;
  }

  std::size_t gpt2_run(std::size_t at) const {
    const std::size_t begin = text_[at] == ' ' ? at + 1 : at;
    if (begin < end_) {
      const Char c = look(begin);
      if ((c.bits & class_letter) != 0) return run(begin + c.length, class_letter);
      if ((c.bits & class_number) != 0) return run(begin + c.length, class_number);
      if ((c.bits & class_space) == 0) return run_of_others(begin + c.length);
    }
    return spaces(at, false);
  }

  /// [^\r\n\p{L}\p{N}]?\p{L}+
  std::size_t word(std::size_t at) const {
    const Char c = look(at);
    if ((c.bits & class_letter) != 0) return run(at + c.length, class_letter);
    if ((c.bits & (class_number | class_break)) != 0) return 0;
    const std::size_t begin = at + c.length;
    const std::size_t end = run(begin, class_letter);
    return end > begin ? end : 0;
  }

  /// [^\r\n\p{L}\p{N}]?U*W+|[^\r\n\p{L}\p{N}]?U+W*, where marks, modifier and other letters are in
  /// both U (capitals) and W (small letters).
  std::size_t mixed_word(std::size_t at) const {
    const Char c = look(at);
    const bool may_lead = (c.bits & (class_letter | class_number | class_break)) == 0;
    const std::size_t behind = at + c.length;
    std::size_t found = 0;
    if (may_lead && (found = small_ending(behind)) != 0) return found;
    if ((found = small_ending(at)) != 0) return found;
    if (may_lead && (found = capital_beginning(behind)) != 0) return found;
    return capital_beginning(at);
  }

  /// U*W+
  std::size_t small_ending(std::size_t at) const {
    std::size_t last_both = 0;  // end of the last code point of the U run that is in W too
    std::size_t capitals = at;
    while (capitals < end_) {
      const Char c = look(capitals);
      if ((c.bits & class_upper) == 0) break;
      capitals += c.length;
      if ((c.bits & class_lower) != 0) last_both = capitals;
    }
    const std::size_t end = run(capitals, class_lower);
    return end > capitals ? end : last_both;
  }

  /// U+W*
  std::size_t capital_beginning(std::size_t at) const {
    const std::size_t capitals = run(at, class_upper);
    return capitals > at ? run(capitals, class_lower) : 0;
  }

  std::size_t number(std::size_t at, int max_digits) const {
    std::size_t end = at;
    for (int digits = 0; digits < max_digits && end < end_; ++digits) {
      const Char c = look(end);
      if ((c.bits & class_number) == 0) break;
      end += c.length;
    }
    return end > at ? end : 0;
  }

  /// " ?[^\s\p{L}\p{N}]+[\r\n]*", with / among the last for Tekken
  std::size_t others(std::size_t at, bool slash) const {
    const std::size_t begin = text_[at] == ' ' ? at + 1 : at;
    std::size_t end = run_of_others(begin);
    if (end == begin) return 0;
    while (end < end_ && (text_[end] == '\r' || text_[end] == '\n' || (slash && text_[end] == '/')))
      ++end;
    return end;
  }

  /// \s*[\r\n]+ (if `breaks`), \s+(?!\S), \s+
  std::size_t spaces(std::size_t at, bool breaks) const {
    std::size_t end = at, last = at, after_break = 0;
    while (end < end_) {
      const Char c = look(end);
      if ((c.bits & class_space) == 0) break;
      last = end;
      end += c.length;
      if ((c.bits & class_break) != 0) after_break = end;
    }
    if (breaks && after_break != 0) return after_break;
    return end == end_ || last == at ? end : last;
  }

  std::string_view text_;
  std::size_t end_;
  const ClassTable& classes_;
};

template <KnownPattern pattern>
void split(std::string_view text, Range piece, std::vector<Range>& matches) {
  const Scanner scanner(text, piece.end);
  for (std::uint32_t at = piece.begin; at < piece.end;) {
    const auto end = static_cast<std::uint32_t>(scanner.match<pattern>(at));
    matches.push_back({at, end});
    at = end;
  }
}

}  // namespace

std::string_view expression_of(KnownPattern pattern) {
  return expressions[static_cast<std::size_t>(pattern)];
}

std::optional<KnownPattern> find_known_pattern(std::string_view expression) {
  for (std::size_t i = 0; i < expressions.size(); ++i)
    if (expressions[i] == expression) return static_cast<KnownPattern>(i);
  return std::nullopt;
}

void split_known(KnownPattern pattern, std::string_view text, Range piece,
                 std::vector<Range>& matches) {
  switch (pattern) {
    case KnownPattern::gpt2:
      return split<KnownPattern::gpt2>(text, piece, matches);
    case KnownPattern::llama3:
      return split<KnownPattern::llama3>(text, piece, matches);
    case KnownPattern::qwen2:
      return split<KnownPattern::qwen2>(text, piece, matches);
    case KnownPattern::tekken:
      return split<KnownPattern::tekken>(text, piece, matches);
  }
}

}  // namespace fg::text::tok
