#include "jinja/arguments.hpp"
#include "jinja/attribute_path.hpp"
#include "jinja/attributes.hpp"
#include "jinja/iteration.hpp"
#include "jinja/json_text.hpp"
#include "jinja/markup.hpp"
#include "jinja/operators.hpp"
#include "jinja/printf_format.hpp"
#include "jinja/python_text.hpp"
#include "jinja/registry.hpp"
#include "jinja/string_tools.hpp"

namespace fg::text::jinja {
namespace {

/// soft_str: the string itself, markup kept, or str() of anything else.
Value soft_string(Interpreter& run, const Value& value) {
  return value.is(Kind::string) ? value : run.string(to_str(run.budget(), value));
}

Value call_method(Interpreter& run, const Value& string, const char* method,
                  const Arguments& arguments) {
  return find_method(string, method)(run, string, arguments);
}

Value upper(Interpreter& run, const Value& value, const Arguments& arguments) {
  return call_method(run, soft_string(run, value), "upper", arguments);
}

Value lower(Interpreter& run, const Value& value, const Arguments& arguments) {
  return call_method(run, soft_string(run, value), "lower", arguments);
}

Value capitalize(Interpreter& run, const Value& value, const Arguments& arguments) {
  return call_method(run, soft_string(run, value), "capitalize", arguments);
}

Value trim(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("trim", arguments, {"chars"}, 0);
  return call_method(run, soft_string(run, value), "strip", {{bound.get(0, Value())}, {}});
}

Value center(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("center", arguments, {"width"}, 0);
  return call_method(run, soft_string(run, value), "center", {{bound.get(0, Value(80))}, {}});
}

Value string(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("string", arguments, {}, 0);
  return soft_string(run, value);
}

Value title(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("title", arguments, {}, 0);
  const Text text = to_str(run.budget(), value);
  Text result;
  bool at_start = true;
  const auto breaks = [](char32_t c) {
    return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t c = next_code_point(text.view(), at);
    if (breaks(c)) {
      result.append(text, begin, at);
      at_start = true;
      continue;
    }
    if (at_start) {
      append_cased(result, c, Case::upper, text.marks_at(begin));
      at_start = false;
      continue;
    }
    std::size_t end = at;
    while (end < text.size()) {
      std::size_t next = end;
      if (breaks(next_code_point(text.view(), next))) break;
      end = next;
    }
    result.append(cased(text.slice(begin, end), Case::lower));
    at = end;
  }
  return run.string(std::move(result));
}

Value replace(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("replace", arguments, {"old", "new", "count"}, 2);
  const std::int64_t limit = bound.is_none(2) ? -1 : need_integer(bound.at(2));
  Budget& budget = run.budget();
  return run.string(replaced(run, to_str(budget, value), to_str(budget, bound.at(0)),
                             to_str(budget, bound.at(1)), limit));
}

Value format(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Value string = soft_string(run, value);
  if (arguments.keywords.empty())
    return format_printf(run, string.string(), run.tuple(arguments.positional));
  if (!arguments.positional.empty())
    throw Failure(FailureKind::runtime,
                  "can't handle positional and keyword arguments at the same time");
  auto named = make_dict();
  for (const auto& [name, argument] : arguments.keywords) named->set(name, argument);
  return format_printf(run, string.string(), dict_value(std::move(named)));
}

Value join(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("join", arguments, {"d", "attribute"}, 0);
  const Text separator = bound.has(0) ? to_str(run.budget(), bound.at(0)) : Text();
  const AttributePath path(run, bound.get(1, Value()));
  Text result;
  bool first = true;
  for_each(run, value, [&](const Value& item) {
    if (!first) result.append(separator);
    first = false;
    append_str(run.budget(), result, path.follow(run, item));
  });
  return run.string(std::move(result));
}

Value indent(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("indent", arguments, {"width", "first", "blank"}, 0);
  if (value.is(Kind::undefined)) refuse_undefined(value);
  const Text& text = need_string(value, "the value to indent").text;
  const Value width = bound.get(0, Value(4));
  const Text indention = width.is(Kind::string)
                             ? width.string().text
                             : justified(Text(), need_size(width), Text(" "), Side::left);
  const bool blank = is_true(bound.get(2, Value(false)));
  run.budget().scan(text.size());
  Text with_end = text;
  with_end.append("\n");
  Text result;
  bool first = true;
  for (const Part& line : split_lines(with_end.view(), false)) {
    if (!first) result.append("\n");
    if ((first && is_true(bound.get(1, Value(false)))) ||
        (!first && (blank || line.end > line.begin)))
      result.append(indention);
    result.append(with_end, line.begin, line.end);
    first = false;
  }
  return run.string(std::move(result), value.string().markup);
}

Value truncate(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("truncate", arguments, {"length", "killwords", "end", "leeway"}, 0);
  const std::int64_t length = need_integer(bound.get(0, Value(255)));
  const Value end = bound.get(2, run.string("..."));
  const std::int64_t leeway = bound.is_none(3) ? 5 : need_integer(bound.at(3));
  const auto end_points = static_cast<std::int64_t>(need_string(end, "the end of truncate").points);
  if (length < end_points || leeway < 0)
    throw Failure(FailureKind::assertion, "truncate: the length must leave room for the end");
  const std::int64_t size = length_of(run, value);
  if (size <= leeway || size - leeway <= length) return value;
  const String& string = need_string(value, "the value to truncate");
  Text cut = string.text.slice(
      0, byte_offset(string.text.view(), static_cast<std::size_t>(length - end_points)));
  if (!is_true(bound.get(1, Value(false))))
    if (const auto space = cut.view().rfind(' '); space != std::string_view::npos)
      cut = cut.slice(0, space);
  cut.append(end.string().text);
  return run.string(std::move(cut), string.markup);
}

Value wordcount(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("wordcount", arguments, {}, 0);
  const Text text = to_str(run.budget(), value);
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const bool word = is_word(next_code_point(text.view(), at));
    if (word && !inside) ++words;
    inside = word;
  }
  return Value(words);
}

Value default_value(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("default", arguments, {"default_value", "boolean"}, 0);
  const bool replaces =
      value.is(Kind::undefined) || (is_true(bound.get(1, Value(false))) && !is_true(value));
  return replaces ? bound.get(0, run.string("")) : value;
}

Value attr(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("attr", arguments, {"name"}, 1);
  need_string(bound.at(0), "attribute name");
  return read_only_attribute(run, value, bound.at(0));
}

constexpr NamedCallable table[] = {
    {"upper", upper},         {"lower", lower},     {"capitalize", capitalize},
    {"trim", trim},           {"center", center},   {"string", string},
    {"title", title},         {"replace", replace}, {"format", format},
    {"join", join},           {"indent", indent},   {"truncate", truncate},
    {"wordcount", wordcount}, {"tojson", to_json},  {"default", default_value},
    {"d", default_value},     {"attr", attr},
};

}  // namespace

CallableTable text_filters() {
  return {std::begin(table), std::end(table)};
}

}  // namespace fg::text::jinja
