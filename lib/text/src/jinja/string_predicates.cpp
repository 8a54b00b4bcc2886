#include <algorithm>

#include "jinja/arguments.hpp"
#include "jinja/attributes.hpp"
#include "jinja/operators.hpp"
#include "jinja/registry.hpp"
#include "jinja/string_tools.hpp"

namespace fg::text::jinja {
namespace {

void no_arguments(const Arguments& arguments) {
  const Bound bound("str method", arguments, {}, 0);
}

/// Whether all code points of a text that is not empty satisfy `predicate`.
template <bool (*predicate)(char32_t), bool when_empty = false>
Value all_are(Interpreter& run, const Value& self, const Arguments& arguments) {
  no_arguments(arguments);
  const std::string& text = self.bytes();
  run.budget().scan(text.size());
  if (text.empty()) return Value(when_empty);
  for (std::size_t at = 0; at < text.size();)
    if (!predicate(next_code_point(text, at))) return Value(false);
  return Value(true);
}

template <bool (*wanted)(char32_t), bool (*unwanted)(char32_t)>
Value has_case(Interpreter& run, const Value& self, const Arguments& arguments) {
  no_arguments(arguments);
  const std::string& text = self.bytes();
  run.budget().scan(text.size());
  bool found = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (unwanted(c) || is_title(c)) return Value(false);
    found = found || wanted(c);
  }
  return Value(found);
}

Value istitle(Interpreter& run, const Value& self, const Arguments& arguments) {
  no_arguments(arguments);
  const std::string& text = self.bytes();
  run.budget().scan(text.size());
  bool found = false;
  bool inside_word = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (is_upper(c) || is_title(c)) {
      if (inside_word) return Value(false);
      inside_word = found = true;
    } else if (is_lower(c)) {
      if (!inside_word) return Value(false);
      found = true;
    } else {
      inside_word = false;
    }
  }
  return Value(found);
}

bool is_ascii(char32_t c) {
  return c < 0x80;
}

Value isidentifier(Interpreter&, const Value& self, const Arguments& arguments) {
  no_arguments(arguments);
  return Value(is_identifier(self.bytes()));
}

/// The stretch of the string that start and end of a search select.
struct Window {
  Part part;
  std::size_t first_point;
  bool valid;  // start lies within the string
};

Window window_of(Interpreter& run, const Value& self, const Bound& bound) {
  const String& string = self.string();
  run.budget().scan(string.text.size());
  const auto length = static_cast<std::int64_t>(string.points);
  const auto place = [&](std::size_t index, std::int64_t fallback) {
    if (bound.is_none(index)) return fallback;
    std::int64_t at = need_integer(bound.at(index));
    if (at < 0) at = at < -length ? 0 : at + length;
    return at;
  };
  const std::int64_t start = place(1, 0);
  const std::int64_t end = std::min(place(2, length), length);
  if (start > end) return {{0, 0}, 0, false};
  const auto offset = [&](std::int64_t point) {
    const auto index = static_cast<std::size_t>(point);
    return string.is_ascii() ? index : byte_offset(string.text.view(), index);
  };
  return {{offset(start), offset(end)}, static_cast<std::size_t>(start), true};
}

template <bool last, bool must_exist>
Value find(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("find", arguments, {"sub", "start", "end"}, 1, false);
  const std::string& needle = need_string(bound.at(0), "the substring").text.bytes();
  const Window window = window_of(run, self, bound);
  std::size_t found = std::string::npos;
  const std::string_view text =
      std::string_view(self.bytes()).substr(window.part.begin, window.part.end - window.part.begin);
  if (window.valid) found = last ? find_last_bytes(text, needle) : find_bytes(text, needle, 0);
  if (found == std::string::npos) {
    if (must_exist) value_failure("substring not found");
    return Value(-1);
  }
  return Value(
      static_cast<std::int64_t>(window.first_point + count_code_points(text.substr(0, found))));
}

Value count(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("count", arguments, {"sub", "start", "end"}, 1, false);
  const std::string& needle = need_string(bound.at(0), "the substring").text.bytes();
  const Window window = window_of(run, self, bound);
  if (!window.valid) return Value(0);
  const std::string_view text =
      std::string_view(self.bytes()).substr(window.part.begin, window.part.end - window.part.begin);
  if (needle.empty()) return Value(static_cast<std::int64_t>(count_code_points(text)) + 1);
  return Value(static_cast<std::int64_t>(split_at(text, needle, -1).size()) - 1);
}

template <bool at_end>
Value starts_or_ends(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("startswith/endswith", arguments, {"prefix", "start", "end"}, 1, false);
  const Window window = window_of(run, self, bound);
  const std::string_view text =
      std::string_view(self.bytes()).substr(window.part.begin, window.part.end - window.part.begin);
  const auto matches = [&](const Value& affix) {
    const std::string& bytes =
        need_string(affix, "startswith/endswith first arg or a tuple of str; it").text.bytes();
    return window.valid && (at_end ? text.ends_with(bytes) : text.starts_with(bytes));
  };
  if (!bound.at(0).is(Kind::tuple)) return Value(matches(bound.at(0)));
  for (const Value& affix : bound.at(0).sequence().items)
    if (matches(affix)) return Value(true);
  return Value(false);
}

constexpr NamedCallable predicates[] = {
    {"isalpha", all_are<is_alpha>},
    {"isdigit", all_are<is_digit>},
    {"isdecimal", all_are<is_decimal>},
    {"isnumeric", all_are<is_numeric>},
    {"isalnum", all_are<is_alnum>},
    {"isspace", all_are<is_space>},
    {"isprintable", all_are<is_printable, true>},
    {"isascii", all_are<is_ascii, true>},
    {"islower", has_case<is_lower, is_upper>},
    {"isupper", has_case<is_upper, is_lower>},
    {"istitle", istitle},
    {"isidentifier", isidentifier},
};

constexpr NamedCallable searches[] = {
    {"find", find<false, false>},
    {"rfind", find<true, false>},
    {"index", find<false, true>},
    {"rindex", find<true, true>},
    {"count", count},
    {"startswith", starts_or_ends<false>},
    {"endswith", starts_or_ends<true>},
};

}  // namespace

CallableTable string_predicates() {
  return {std::begin(predicates), std::end(predicates)};
}
CallableTable string_search_methods() {
  return {std::begin(searches), std::end(searches)};
}

}  // namespace fg::text::jinja
