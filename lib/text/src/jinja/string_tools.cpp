#include "jinja/string_tools.hpp"

#include <algorithm>

#include "jinja/operators.hpp"

namespace fg::text::jinja {
namespace {

constexpr std::size_t npos = std::string_view::npos;

/// Whether a sigma at `at` (ending at `end`) is the last letter of its word: then its lower case is
/// ς.
bool is_final_sigma(std::string_view text, std::size_t at, std::size_t end) {
  bool before = false;
  for (std::size_t i = at; i > 0 && !before;) {
    const char32_t c = previous_code_point(text, i);
    if (is_case_ignorable(c)) continue;
    if (!is_cased(c)) break;
    before = true;
  }
  if (!before) return false;
  while (end < text.size()) {
    const char32_t c = next_code_point(text, end);
    if (is_case_ignorable(c)) continue;
    return !is_cased(c);
  }
  return true;
}

void append_lower(Text& out, const Text& text, std::size_t begin, std::size_t end, char32_t c,
                  Marks mark) {
  if (c == 0x3A3)
    out.append_code_point(is_final_sigma(text.view(), begin, end) ? 0x3C2 : 0x3C3, mark);
  else
    append_cased(out, c, Case::lower, mark);
}

}  // namespace

Part stripped(std::string_view text, const std::optional<std::string>& characters, bool left,
              bool right) {
  std::u32string set;
  if (characters)
    for (std::size_t at = 0; at < characters->size();)
      set.push_back(next_code_point(*characters, at));
  const auto goes = [&](char32_t c) {
    return characters ? set.find(c) != std::u32string::npos : is_space(c);
  };
  std::size_t begin = 0;
  std::size_t end = text.size();
  while (left && begin < end) {
    std::size_t next = begin;
    if (!goes(next_code_point(text, next))) break;
    begin = next;
  }
  while (right && end > begin) {
    std::size_t before = end;
    if (!goes(previous_code_point(text, before))) break;
    end = before;
  }
  return {begin, end};
}

std::vector<Part> split_space(std::string_view text, std::int64_t limit) {
  std::vector<Part> parts;
  std::size_t at = 0;
  while (true) {
    at += stripped(text.substr(at), std::nullopt, true, false).begin;
    if (at >= text.size()) return parts;
    if (limit >= 0 && static_cast<std::int64_t>(parts.size()) >= limit) {
      parts.push_back({at, at + stripped(text.substr(at), std::nullopt, false, true).end});
      return parts;
    }
    const std::size_t begin = at;
    while (at < text.size()) {
      std::size_t next = at;
      if (is_space(next_code_point(text, next))) break;
      at = next;
    }
    parts.push_back({begin, at});
  }
}

std::vector<Part> split_space_right(std::string_view text, std::int64_t limit) {
  std::vector<Part> parts;
  std::size_t end = text.size();
  while (true) {
    end = stripped(text.substr(0, end), std::nullopt, false, true).end;
    if (end == 0) break;
    if (limit >= 0 && static_cast<std::int64_t>(parts.size()) >= limit) {
      parts.push_back({stripped(text.substr(0, end), std::nullopt, true, false).begin, end});
      break;
    }
    std::size_t begin = end;
    while (begin > 0) {
      std::size_t before = begin;
      if (is_space(previous_code_point(text, before))) break;
      begin = before;
    }
    parts.push_back({begin, end});
    end = begin;
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<Part> split_at(std::string_view text, std::string_view separator, std::int64_t limit) {
  std::vector<Part> parts;
  std::size_t begin = 0;
  while (limit < 0 || static_cast<std::int64_t>(parts.size()) < limit) {
    const std::size_t found = find_bytes(text, separator, begin);
    if (found == npos) break;
    parts.push_back({begin, found});
    begin = found + separator.size();
  }
  parts.push_back({begin, text.size()});
  return parts;
}

std::vector<Part> split_at_right(std::string_view text, std::string_view separator,
                                 std::int64_t limit) {
  // Searched in the reversed text, which keeps the search linear.
  const std::string backward(text.rbegin(), text.rend());
  const std::string separator_backward(separator.rbegin(), separator.rend());
  std::vector<Part> parts = split_at(backward, separator_backward, limit);
  for (Part& part : parts) part = {text.size() - part.end, text.size() - part.begin};
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::size_t find_last_bytes(std::string_view text, std::string_view needle) {
  const std::string backward(text.rbegin(), text.rend());
  const std::string needle_backward(needle.rbegin(), needle.rend());
  const std::size_t found = find_bytes(backward, needle_backward, 0);
  return found == npos ? npos : text.size() - found - needle.size();
}

std::vector<Part> split_lines(std::string_view text, bool keep_ends) {
  std::vector<Part> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t line_end = at;
    const char32_t c = next_code_point(text, at);
    if (!is_line_break(c)) continue;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back({begin, keep_ends ? at : line_end});
    begin = at;
  }
  if (begin < text.size()) lines.push_back({begin, text.size()});
  return lines;
}

Text replaced(Interpreter& run, const Text& text, const Text& old, const Text& fresh,
              std::int64_t limit) {
  run.budget().scan(text.size());
  Text result;
  if (old.empty()) {
    std::size_t at = 0;
    for (std::int64_t count = 0; limit < 0 || count < limit; ++count) {
      result.append(fresh);
      if (at >= text.size()) return result;
      const std::size_t begin = at;
      next_code_point(text.view(), at);
      result.append(text, begin, at);
    }
    result.append(text, at, text.size());
    return result;
  }
  std::size_t begin = 0;
  for (std::int64_t count = 0; limit < 0 || count < limit; ++count) {
    const std::size_t found = find_bytes(text.view(), old.view(), begin);
    if (found == npos) break;
    result.append(text, begin, found);
    result.append(fresh);
    begin = found + old.size();
  }
  result.append(text, begin, text.size());
  return result;
}

Text cased(const Text& text, Case how) {
  Text result;
  MarkReader marks(text);
  bool inside_word = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const Marks mark = marks.at(begin);
    const char32_t c = next_code_point(text.view(), at);
    if (how == Case::lower || (how == Case::title && inside_word))
      append_lower(result, text, begin, at, c, mark);
    else
      append_cased(result, c, how, mark);
    inside_word = is_cased(c);
  }
  return result;
}

Text capitalized(const Text& text) {
  if (text.empty()) return text;
  Text result;
  MarkReader marks(text);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const Marks mark = marks.at(begin);
    const char32_t c = next_code_point(text.view(), at);
    if (begin == 0)
      append_cased(result, c, Case::title, mark);
    else
      append_lower(result, text, begin, at, c, mark);
  }
  return result;
}

Text swapped_case(const Text& text) {
  Text result;
  MarkReader marks(text);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const Marks mark = marks.at(begin);
    const char32_t c = next_code_point(text.view(), at);
    if (is_upper(c))
      append_lower(result, text, begin, at, c, mark);
    else if (is_lower(c))
      append_cased(result, c, Case::upper, mark);
    else
      result.append(text, begin, at);
  }
  return result;
}

Text justified(const Text& text, std::size_t width, const Text& fill, Side side) {
  const std::size_t points = count_code_points(text.view());
  if (width <= points) return text;
  const std::size_t missing = width - points;
  if (missing > max_string_bytes)
    limit_failure("a padded string is longer than " + std::to_string(max_string_bytes));
  // Python's str.center puts the odd one to the left where the width is odd.
  const std::size_t before = side == Side::left    ? 0
                             : side == Side::right ? missing
                                                   : missing / 2 + (missing & width & 1);
  Text result;
  for (std::size_t i = 0; i < before; ++i) result.append(fill);
  result.append(text);
  for (std::size_t i = before; i < missing; ++i) result.append(fill);
  return result;
}

}  // namespace fg::text::jinja
