#include "jinja/arguments.hpp"
#include "jinja/format_spec.hpp"
#include "jinja/iteration.hpp"
#include "jinja/markup.hpp"
#include "jinja/operators.hpp"
#include "jinja/python_text.hpp"
#include "jinja/registry.hpp"
#include "jinja/string_tools.hpp"

namespace fg::text::jinja {
namespace {

Value like(Interpreter& run, const Value& self, Text text) {
  return run.string(std::move(text), self.string().markup);
}

Value part_of(Interpreter& run, const Value& self, Part part) {
  return like(run, self, self.string().text.slice(part.begin, part.end));
}

Value parts_of(Interpreter& run, const Value& self, const std::vector<Part>& parts) {
  Values items;
  for (const Part& part : parts) {
    run.budget().step();
    items.push_back(part_of(run, self, part));
  }
  return run.list(std::move(items));
}

void no_arguments(const char* name, const Arguments& arguments) {
  const Bound bound(name, arguments, {}, 0);
}

template <Case how>
Value map_case(Interpreter& run, const Value& self, const Arguments& arguments) {
  no_arguments("upper/lower/title/casefold", arguments);
  run.budget().scan(self.bytes().size());
  return like(run, self, cased(self.string().text, how));
}

Value capitalize(Interpreter& run, const Value& self, const Arguments& arguments) {
  no_arguments("capitalize", arguments);
  run.budget().scan(self.bytes().size());
  return like(run, self, capitalized(self.string().text));
}

Value swapcase(Interpreter& run, const Value& self, const Arguments& arguments) {
  no_arguments("swapcase", arguments);
  run.budget().scan(self.bytes().size());
  return like(run, self, swapped_case(self.string().text));
}

template <bool left, bool right>
Value strip(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("strip", arguments, {"chars"}, 0, false);
  std::optional<std::string> characters;
  if (!bound.is_none(0)) characters = need_string(bound.at(0), "strip arg").text.bytes();
  run.budget().scan(self.bytes().size() * (characters ? characters->size() / 16 + 1 : 1));
  return part_of(run, self, stripped(self.bytes(), characters, left, right));
}

template <bool from_right>
Value split(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("split", arguments, {"sep", "maxsplit"}, 0);
  const std::int64_t limit = bound.has(1) ? need_integer(bound.at(1)) : -1;
  const std::string& text = self.bytes();
  run.budget().scan(text.size());
  if (bound.is_none(0))
    return parts_of(run, self,
                    from_right ? split_space_right(text, limit) : split_space(text, limit));
  const std::string& separator = need_string(bound.at(0), "a separator").text.bytes();
  if (separator.empty()) value_failure("empty separator");
  return parts_of(
      run, self,
      from_right ? split_at_right(text, separator, limit) : split_at(text, separator, limit));
}

Value splitlines(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("splitlines", arguments, {"keepends"}, 0);
  run.budget().scan(self.bytes().size());
  const bool keep = is_true(bound.get(0, Value(false)));
  return parts_of(run, self, split_lines(self.bytes(), keep));
}

template <bool from_right>
Value partition(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("partition", arguments, {"sep"}, 1, false);
  const String& separator = need_string(bound.at(0), "a separator");
  if (separator.text.empty()) value_failure("empty separator");
  const std::string& text = self.bytes();
  run.budget().scan(text.size());
  const std::size_t found = from_right ? find_last_bytes(text, separator.text.bytes())
                                       : find_bytes(text, separator.text.bytes(), 0);
  const Value empty = like(run, self, Text());
  if (found == std::string::npos) {
    if (from_right) return run.tuple({empty, empty, self});
    return run.tuple({self, empty, empty});
  }
  return run.tuple({part_of(run, self, {0, found}), like(run, self, separator.text),
                    part_of(run, self, {found + separator.text.size(), text.size()})});
}

Text argument_text(const Value& self, const String& argument) {
  return self.string().markup && !argument.markup ? escape_text(argument.text) : argument.text;
}

Value replace(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("replace", arguments, {"old", "new", "count"}, 2, false);
  const String& old = need_string(bound.at(0), "replace() argument 1");
  const String& fresh = need_string(bound.at(1), "replace() argument 2");
  const std::int64_t limit = bound.has(2) ? need_integer(bound.at(2)) : -1;
  return like(run, self,
              replaced(run, self.string().text, old.text, argument_text(self, fresh), limit));
}

template <bool suffix>
Value remove_affix(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("removeprefix", arguments, {"affix"}, 1, false);
  const std::string& affix = need_string(bound.at(0), "removeprefix() argument").text.bytes();
  const std::string& text = self.bytes();
  if (suffix ? !text.ends_with(affix) : !text.starts_with(affix)) return self;
  if (suffix) return part_of(run, self, {0, text.size() - affix.size()});
  return part_of(run, self, {affix.size(), text.size()});
}

Value join(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("join", arguments, {"iterable"}, 1, false);
  if (!is_iterable(bound.at(0))) type_failure("can only join an iterable");
  Text text;
  bool first = true;
  for_each(run, bound.at(0), [&](const Value& item) {
    if (!first) text.append(self.string().text);
    if (self.string().markup && !item.is(Kind::string))
      text.append(escape_text(to_str(run.budget(), item)));
    else
      text.append(
          argument_text(self, need_string(item, "sequence item: expected str instance; it")));
    first = false;
  });
  return like(run, self, std::move(text));
}

template <Side side>
Value justify(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("center/ljust/rjust", arguments, {"width", "fillchar"}, 1, false);
  Text fill(" ");
  if (bound.has(1)) {
    const String& given = need_string(bound.at(1), "the fill character");
    if (given.points != 1) type_failure("The fill character must be exactly one character long");
    fill = argument_text(self, given);
  }
  return like(run, self, justified(self.string().text, need_size(bound.at(0)), fill, side));
}

Value zfill(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("zfill", arguments, {"width"}, 1, false);
  const Text& text = self.string().text;
  const std::size_t width = need_size(bound.at(0));
  const bool sign = !text.empty() && (text.bytes()[0] == '-' || text.bytes()[0] == '+');
  const Text body = text.slice(sign ? 1 : 0, text.size());
  Text result = text.slice(0, sign ? 1 : 0);
  result.append(justified(body, width > (sign ? 1U : 0U) ? width - (sign ? 1 : 0) : 0, Text("0"),
                          Side::right));
  return like(run, self, std::move(result));
}

Value expandtabs(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("expandtabs", arguments, {"tabsize"}, 0);
  const std::size_t size = bound.has(0) ? need_size(bound.at(0)) : 8;
  if (size > max_format_width) limit_failure("expandtabs: the tab size is too large");
  const Text& text = self.string().text;
  Text result;
  std::size_t column = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t c = next_code_point(text.view(), at);
    if (c == '\t') {
      const std::size_t width = size == 0 ? 0 : size - column % size;
      result.append(std::string(width, ' '), text.marks_at(begin));
      column += width;
      continue;
    }
    column = c == '\n' || c == '\r' ? 0 : column + 1;
    result.append(text, begin, at);
  }
  return like(run, self, std::move(result));
}

Value format(Interpreter& run, const Value& self, const Arguments& arguments) {
  Dict named;
  for (const auto& [name, value] : arguments.keywords) named.set(name, value);
  return format_string(run, self.string(), arguments.positional, named);
}

Value format_map(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("format_map", arguments, {"mapping"}, 1, false);
  if (!bound.at(0).is(Kind::dict)) type_failure("format_map() needs a mapping");
  return format_string(run, self.string(), {}, bound.at(0).dict());
}

/// str.translate with a dict of code points to code points, strings or none.
Value translate(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("translate", arguments, {"table"}, 1, false);
  if (!bound.at(0).is(Kind::dict)) type_failure("translate() needs a dict of code points");
  const Text& text = self.string().text;
  Text result;
  for (std::size_t at = 0; at < text.size();) {
    run.budget().step();
    const std::size_t begin = at;
    const char32_t c = next_code_point(text.view(), at);
    const Value* mapped = bound.at(0).dict().find(Value(static_cast<std::int64_t>(c)));
    if (mapped == nullptr) {
      result.append(text, begin, at);
    } else if (mapped->is(Kind::string)) {
      result.append(mapped->string().text);
    } else if (!mapped->is(Kind::none)) {
      const std::int64_t point = need_integer(*mapped);
      if (point < 0 || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
        value_failure("character mapping must be in range(0x110000)");
      result.append_code_point(static_cast<char32_t>(point), text.marks_at(begin));
    }
  }
  return like(run, self, std::move(result));
}

constexpr NamedCallable table[] = {
    {"upper", map_case<Case::upper>},
    {"lower", map_case<Case::lower>},
    {"title", map_case<Case::title>},
    {"casefold", map_case<Case::fold>},
    {"capitalize", capitalize},
    {"swapcase", swapcase},
    {"strip", strip<true, true>},
    {"lstrip", strip<true, false>},
    {"rstrip", strip<false, true>},
    {"split", split<false>},
    {"rsplit", split<true>},
    {"splitlines", splitlines},
    {"partition", partition<false>},
    {"rpartition", partition<true>},
    {"replace", replace},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"join", join},
    {"center", justify<Side::middle>},
    {"ljust", justify<Side::left>},
    {"rjust", justify<Side::right>},
    {"zfill", zfill},
    {"expandtabs", expandtabs},
    {"format", format},
    {"format_map", format_map},
    {"translate", translate},
};

}  // namespace

CallableTable string_methods() {
  return {std::begin(table), std::end(table)};
}

}  // namespace fg::text::jinja
