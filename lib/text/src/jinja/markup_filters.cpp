#include <array>

#include "jinja/arguments.hpp"
#include "jinja/iteration.hpp"
#include "jinja/markup.hpp"
#include "jinja/operators.hpp"
#include "jinja/python_text.hpp"
#include "jinja/registry.hpp"
#include "jinja/string_tools.hpp"

namespace fg::text::jinja {
namespace {

Value escape(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("escape", arguments, {}, 0, false);
  if (value.is(Kind::string) && value.string().markup) return value;
  return run.string(escape_text(to_str(run.budget(), value)), true);
}

Value forceescape(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("forceescape", arguments, {}, 0);
  return run.string(escape_text(to_str(run.budget(), value)), true);
}

Value safe(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("safe", arguments, {}, 0);
  return run.string(to_str(run.budget(), value), true);
}

/// urllib.parse.quote: what is not unreserved becomes %XX of its UTF-8.
void append_quoted(Text& out, const Text& text, bool in_query) {
  MarkReader marks(text);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text.bytes()[at];
    const auto byte = static_cast<unsigned char>(c);
    const Marks mark = marks.at(at);
    const bool plain = byte < 0x80 && (std::isalnum(byte) != 0 ||
                                       std::string_view("_.-~").find(c) != std::string_view::npos);
    if (plain || (c == '/' && !in_query)) {
      out.append({&text.bytes()[at], 1}, mark);
    } else if (c == ' ' && in_query) {
      out.append("+", mark);
    } else {
      constexpr std::string_view digits = "0123456789ABCDEF";
      out.append(std::string{'%', digits[byte >> 4U], digits[byte & 15U]}, mark);
    }
  }
}

Value urlencode(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("urlencode", arguments, {}, 0);
  Text result;
  if (value.is(Kind::string) || !is_iterable(value)) {
    append_quoted(result, to_str(run.budget(), value), false);
    return run.string(std::move(result));
  }
  Values pairs;
  if (value.is(Kind::dict))
    for (const auto& [key, entry] : value.dict().entries) pairs.push_back(run.tuple({key, entry}));
  else
    pairs = collect(run, value);
  for (const Value& pair : pairs) {
    const Values both = collect(run, pair);
    if (both.size() != 2) value_failure("urlencode needs pairs");
    if (&pair != &pairs.front()) result.append("&");
    append_quoted(result, to_str(run.budget(), both[0]), true);
    result.append("=");
    append_quoted(result, to_str(run.budget(), both[1]), true);
  }
  return run.string(std::move(result));
}

Value xmlattr(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("xmlattr", arguments, {"autospace"}, 0);
  if (value.is(Kind::undefined)) refuse_undefined(value);
  if (!value.is(Kind::dict)) type_failure("xmlattr needs a mapping, not " + type_name(value));
  Text result;
  for (const auto& [key, entry] : value.dict().entries) {
    run.budget().step();
    if (entry.is(Kind::none) || entry.is(Kind::undefined)) continue;
    const std::string& name = need_string(key, "attribute name").text.bytes();
    if (name.find_first_of(" \t\n\r\f\v/>=") != std::string::npos)
      value_failure("Invalid character in attribute name: '" + name + "'");
    if (!result.empty()) result.append(" ");
    const auto escaped = [&](const Value& part) {
      const bool is_markup = part.is(Kind::string) && part.string().markup;
      const Text text = to_str(run.budget(), part);
      return is_markup ? text : escape_text(text);
    };
    result.append(escaped(key));
    result.append("=\"");
    result.append(escaped(entry));
    result.append("\"");
  }
  if (is_true(bound.get(0, Value(true))) && !result.empty()) {
    Text spaced(" ");
    spaced.append(result);
    result = std::move(spaced);
  }
  return run.string(std::move(result));
}

constexpr NamedCallable table[] = {
    {"escape", escape},       {"e", escape},        {"forceescape", forceescape}, {"safe", safe},
    {"urlencode", urlencode}, {"xmlattr", xmlattr},
};

}  // namespace

Text escape_text(const Text& text) {
  static constexpr std::string_view plain = "&<>'\"";
  static constexpr std::array entities = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
  Text result;
  std::size_t begin = 0;
  MarkReader marks(text);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto found = plain.find(text.bytes()[at]);
    if (found == std::string_view::npos) continue;
    result.append(text, begin, at);
    result.append(entities[found], marks.at(at));
    begin = at + 1;
  }
  result.append(text, begin, text.size());
  return result;
}

CallableTable markup_filters() {
  return {std::begin(table), std::end(table)};
}

}  // namespace fg::text::jinja
