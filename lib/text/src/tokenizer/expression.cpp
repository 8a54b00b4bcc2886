#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

#include <fg/base/error.hpp>

#include "tokenizer/pattern.hpp"

// Oniguruma's Ruby syntax and PCRE2's agree on what tokenizer files use; this reader lets exactly
// that part pass, so that nothing is ever read in two ways without notice.

namespace fg::text::tok {
namespace {

constexpr std::array<std::string_view, 38> properties = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",  "Nd", "Nl",
    "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk",
    "So", "Z",  "Zs", "Zl", "Zp", "C",  "Cc", "Cf", "Co", "Cn", "Cs", "Han"};

class Reader {
public:
  Reader(const std::string& expression, const std::string& where)
      : expression_(expression), where_(where) {}

  std::string translate() {
    while (at_ < expression_.size()) step();
    if (in_set_) refuse("a set without end");
    return std::move(out_);
  }

private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail(ExitCode::cannot_load, where_ + ": " + what + " in the regular expression '" +
                                    expression_ + "' is not supported");
  }
  bool is_next(std::string_view text) const {
    return expression_.compare(at_, text.size(), text) == 0;
  }
  void take(std::size_t count) {
    out_.append(expression_, at_, count);
    at_ += count;
  }

  void step() {
    const char c = expression_[at_];
    if (c == '\\') return escape();
    if (in_set_) return step_in_set(c);
    if (c == '(') return open_group();
    if (c == ')') {
      if (!caseless_.empty()) caseless_.pop_back();
    } else if (c == '[') {
      return open_set();
    } else if (c == '{') {
      return interval();
    }
    literal(c);
  }

  void literal(char c) {
    const char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (is_caseless()) {
      if (static_cast<unsigned char>(c) >= 0x80) refuse("a letter beyond ASCII in (?i:...)");
      // Oniguruma folds these pairs to one character (ss and ß, fi and a ligature).
      for (const std::string_view pair : {"ss", "ff", "fi", "fl", "st"})
        if (previous_literal_ == pair[0] && lower == pair[1])
          refuse("'" + std::string(pair) + "' in (?i:...)");
    }
    previous_literal_ = lower;
    take(1);
  }

  bool is_caseless() const { return !caseless_.empty() && caseless_.back(); }

  void open_group() {
    constexpr std::array<std::string_view, 8> openers = {
        "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?-i:"};
    bool caseless = is_caseless();
    std::size_t length = 1;
    if (is_next("(?")) {
      const auto* opener = std::find_if(openers.begin(), openers.end(),
                                        [&](std::string_view text) { return is_next(text); });
      if (opener == openers.end()) refuse("'" + expression_.substr(at_, 4) + "'");
      length = opener->size();
      if (*opener == "(?i:") caseless = true;
      if (*opener == "(?-i:") caseless = false;
    } else if (is_next("(*")) {
      refuse("'(*'");
    }
    previous_literal_ = 0;
    caseless_.push_back(caseless);
    take(length);
  }

  void open_set() {
    in_set_ = true;
    take(1);
    if (is_next("^")) take(1);
    if (is_next("]")) refuse("']' at the start of a set");
  }

  void step_in_set(char c) {
    if (c == '[') refuse("'[' inside a set");
    if (is_next("&&")) refuse("'&&' inside a set");
    if (is_caseless() && static_cast<unsigned char>(c) >= 0x80)
      refuse("a letter beyond ASCII in (?i:...)");
    if (c == ']') in_set_ = false;
    previous_literal_ = 0;
    take(1);
  }

  /// {n}, {n,} or {n,m}; Ruby reads {,m}, {n}? and {n,m}+ in its own way.
  void interval() {
    std::size_t end = at_ + 1;
    const auto digits = [&] {
      const std::size_t begin = end;
      while (end < expression_.size() && std::isdigit(static_cast<unsigned char>(expression_[end])))
        ++end;
      return end - begin;
    };
    const bool has_minimum = digits() > 0;
    bool is_exact = true;
    if (end < expression_.size() && expression_[end] == ',') {
      ++end;
      digits();
      is_exact = false;
    }
    if (!has_minimum || end >= expression_.size() || expression_[end] != '}')
      refuse("'{' that begins no {n}, {n,} or {n,m}");
    ++end;
    const char behind = end < expression_.size() ? expression_[end] : '\0';
    if (behind == '+' || (behind == '?' && is_exact)) refuse("'}" + std::string(1, behind) + "'");
    previous_literal_ = 0;
    take(end - at_);
  }

  void escape() {
    if (at_ + 1 >= expression_.size()) refuse("a '\\' at the end");
    previous_literal_ = 0;
    const char c = expression_[at_ + 1];
    if (c == 'p' || c == 'P') return property();
    if (c == 'u') return code_point(2, 4);
    if (c == 'x') {
      if (is_next("\\x{")) return code_point_in_braces();
      return code_point(2, 2);
    }
    const bool is_shared = std::string_view("rntfsSdD").find(c) != std::string_view::npos;
    if (!is_shared &&
        (static_cast<unsigned char>(c) >= 0x80 || std::isalnum(static_cast<unsigned char>(c))))
      refuse("'\\" + std::string(1, c) + "'");
    take(2);
  }

  void property() {
    const std::size_t end = expression_.find('}', at_);
    if (at_ + 2 >= expression_.size() || expression_[at_ + 2] != '{' || end == std::string::npos)
      refuse("a property without braces");
    bool negated = expression_[at_ + 1] == 'P';
    std::string name = expression_.substr(at_ + 3, end - at_ - 3);
    if (name.starts_with("^")) {
      negated = !negated;
      name.erase(0, 1);
    }
    if (std::find(properties.begin(), properties.end(), name) == properties.end())
      refuse("property '" + name + "'");
    // Plain \p{Han} is PCRE2's script extensions.
    out_ += (negated ? "\\P{" : "\\p{") + std::string(name == "Han" ? "sc:Han" : name) + "}";
    at_ = end + 1;
  }

  void code_point(std::size_t prefix, std::size_t digits) {
    const std::string hex = expression_.substr(std::min(at_ + prefix, expression_.size()), digits);
    append_code_point(hex.size() == digits ? hex : std::string());
    at_ += prefix + digits;
  }

  void code_point_in_braces() {
    const std::size_t end = expression_.find('}', at_);
    if (end == std::string::npos) refuse("'\\x{' without end");
    append_code_point(expression_.substr(at_ + 3, end - at_ - 3));
    at_ = end + 1;
  }

  void append_code_point(const std::string& hex) {
    const bool is_hex = !hex.empty() && hex.size() <= 6 &&
                        std::all_of(hex.begin(), hex.end(),
                                    [](unsigned char digit) { return std::isxdigit(digit) != 0; });
    if (!is_hex) refuse("a code point that is not hexadecimal");
    // Oniguruma takes \x80 to \xFF for raw bytes.
    if (hex.size() <= 2 && std::stoul(hex, nullptr, 16) >= 0x80) refuse("'\\x" + hex + "'");
    if (is_caseless()) refuse("a code point in (?i:...)");
    out_ += "\\x{" + hex + "}";
  }

  const std::string& expression_;
  const std::string& where_;
  std::size_t at_ = 0;
  std::string out_;
  bool in_set_ = false;
  std::vector<bool> caseless_;  // of every open group
  char previous_literal_ = 0;
};

}  // namespace

std::string translate_expression(const std::string& expression, const std::string& where) {
  return Reader(expression, where).translate();
}

}  // namespace fg::text::tok
