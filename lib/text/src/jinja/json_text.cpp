#include "jinja/json_text.hpp"

#include <array>
#include <cmath>
#include <cstdio>

#include "jinja/arguments.hpp"
#include "jinja/numbers.hpp"
#include "jinja/operators.hpp"
#include "jinja/sorting.hpp"
#include "jinja/unicode.hpp"

namespace fg::text::jinja {
namespace {

struct JsonStyle {
  bool ensure_ascii = false;
  std::optional<Text> indent;
  Text item_separator{", "};
  Text key_separator{": "};
  bool sort_keys = false;
};

std::string json_real(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return real_repr(value);
}

class JsonWriter {
public:
  JsonWriter(Interpreter& run, const JsonStyle& style) : run_(run), style_(style) {}

  void write(const Value& value, Marks marks) {
    run_.budget().step();
    switch (value.kind()) {
      case Kind::none:
        out_.append("null", marks);
        return;
      case Kind::boolean:
        out_.append(value.boolean() ? "true" : "false", marks);
        return;
      case Kind::integer:
        out_.append(std::to_string(value.integer()), marks);
        return;
      case Kind::real:
        out_.append(json_real(value.real()), marks);
        return;
      case Kind::string:
        write_string(value.string().text);
        return;
      case Kind::list:
      case Kind::tuple:
        write_list(value.sequence(), value.sequence().input ? from_input : marks);
        return;
      case Kind::dict:
        write_dict(value.dict(), value.dict().input ? from_input : marks);
        return;
      default:
        type_failure("Object of type " + type_name(value) + " is not JSON serializable");
    }
  }
  Text take() { return std::move(out_); }

private:
  void write_string(const Text& text) {
    run_.budget().scan(text.size());
    MarkReader marks(text);
    out_.append("\"", marks.at(0));
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at;
      const Marks mark = marks.at(begin);
      const char32_t c = next_code_point(text.view(), at);
      if (!write_escape(c, mark)) out_.append(text.view().substr(begin, at - begin), mark);
    }
    out_.append("\"", text.empty() ? no_marks : text.marks_at(text.size() - 1));
  }

  bool write_escape(char32_t c, Marks mark) {
    static constexpr std::string_view plain = "\"\\\n\r\t\f\b";
    static constexpr std::string_view letter = "\"\\nrtfb";
    if (c < 0x80) {
      if (const auto at = plain.find(static_cast<char>(c)); at != std::string_view::npos) {
        out_.append(std::string{'\\', letter[at]}, mark);
        return true;
      }
    }
    if (c >= 0x20 && (!style_.ensure_ascii || c < 0x7F)) return false;
    if (c < 0x10000) {
      write_unit(c, mark);
    } else {
      write_unit(0xD800 + ((c - 0x10000) >> 10), mark);
      write_unit(0xDC00 + ((c - 0x10000) & 0x3FF), mark);
    }
    return true;
  }

  void write_unit(char32_t unit, Marks mark) {
    std::array<char, 16> buffer;
    std::snprintf(buffer.data(), buffer.size(), "\\u%04x", static_cast<unsigned>(unit));
    out_.append(buffer.data(), mark);
  }

  void new_line(Marks marks) {
    if (!style_.indent) return;
    out_.append("\n", marks);
    for (int i = 0; i < level_; ++i) append_marked(*style_.indent, marks);
  }

  void separate(bool first, Marks marks) {
    if (!first) append_marked(style_.item_separator, marks);
    new_line(marks);
  }

  void append_marked(Text text, Marks marks) {
    text.mark(marks);
    out_.append(text);
  }

  void write_list(const Sequence& list, Marks marks) {
    if (list.items.empty()) {
      out_.append("[]", marks);
      return;
    }
    out_.append("[", marks);
    ++level_;
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      separate(i == 0, marks);
      write(list.items[i], marks);
    }
    --level_;
    new_line(marks);
    out_.append("]", marks);
  }

  void write_dict(const Dict& dict, Marks marks) {
    if (dict.entries.empty()) {
      out_.append("{}", marks);
      return;
    }
    out_.append("{", marks);
    ++level_;
    std::vector<std::pair<Value, Value>> entries = dict.entries;
    if (style_.sort_keys) {
      merge_sort(run_, entries, [this](const auto& a, const auto& b) {
        return less_than(run_, a.first, b.first);
      });
    }
    bool first = true;
    for (const auto& [key, value] : entries) {
      separate(first, marks);
      first = false;
      write_key(key, marks);
      append_marked(style_.key_separator, marks);
      write(value, marks);
    }
    --level_;
    new_line(marks);
    out_.append("}", marks);
  }

  void write_key(const Value& key, Marks marks) {
    switch (key.kind()) {
      case Kind::string:
        write_string(key.string().text);
        return;
      case Kind::none:
        out_.append("\"null\"", marks);
        return;
      case Kind::boolean:
        out_.append(key.boolean() ? "\"true\"" : "\"false\"", marks);
        return;
      case Kind::integer:
        out_.append("\"" + std::to_string(key.integer()) + "\"", marks);
        return;
      case Kind::real:
        out_.append("\"" + json_real(key.real()) + "\"", marks);
        return;
      default:
        type_failure("keys must be str, int, float, bool or None, not " + type_name(key));
    }
  }

  Interpreter& run_;
  const JsonStyle& style_;
  Text out_;
  int level_ = 0;
};

void set_indent(JsonStyle& style, const Value& indent) {
  if (indent.is(Kind::none)) return;
  if (indent.is(Kind::string)) {
    style.indent = indent.string().text;
  } else {
    const std::size_t width = need_size(indent);
    if (width > 1000) limit_failure("tojson: an indent of more than 1000 is not supported");
    style.indent = Text(std::string(width, ' '));
  }
  style.item_separator = Text(",");
}

void set_separators(JsonStyle& style, Interpreter& run, const Value& separators) {
  if (separators.is(Kind::none)) return;
  Values parts;
  if (separators.is(Kind::list) || separators.is(Kind::tuple)) parts = separators.sequence().items;
  if (separators.is(Kind::string) && separators.string().points == 2) {
    const Text& text = separators.string().text;
    const std::size_t cut = byte_offset(text.view(), 1);
    parts = {run.string(text.slice(0, cut)), run.string(text.slice(cut, text.size()))};
  }
  if (parts.size() != 2) value_failure("tojson: separators must be two strings");
  style.item_separator = need_string(parts[0], "an item separator").text;
  style.key_separator = need_string(parts[1], "a key separator").text;
}

}  // namespace

Value to_json(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}, 0);
  JsonStyle style;
  style.ensure_ascii = is_true(bound.get(0, Value(false)));
  set_indent(style, bound.get(1, Value()));
  set_separators(style, run, bound.get(2, Value()));
  style.sort_keys = is_true(bound.get(3, Value(false)));
  JsonWriter writer(run, style);
  writer.write(value, no_marks);
  return run.string(writer.take());
}

}  // namespace fg::text::jinja
