#include "jinja/python_text.hpp"

#include <array>
#include <cstdio>

#include "jinja/interpreter.hpp"
#include "jinja/numbers.hpp"
#include "jinja/unicode.hpp"

namespace fg::text::jinja {
namespace {

constexpr int max_repr_depth = 2 * max_object_depth;

void append_escape(Text& out, char32_t c, Marks marks) {
  std::array<char, 12> buffer;
  const char* format = c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x";
  std::snprintf(buffer.data(), buffer.size(), format, static_cast<unsigned>(c));
  out.append(buffer.data(), marks);
}

class Representer {
public:
  Representer(Budget& budget, Text& out) : budget_(budget), out_(out) {}

  void append(const Value& value, Marks marks) {
    if (++depth_ > max_repr_depth) limit_failure("values are nested too deep to print");
    budget_.step();
    append_kind(value, marks);
    --depth_;
  }

private:
  void append_kind(const Value& value, Marks marks) {
    switch (value.kind()) {
      case Kind::none:
        out_.append("None", marks);
        return;
      case Kind::boolean:
        out_.append(value.boolean() ? "True" : "False", marks);
        return;
      case Kind::integer:
        out_.append(std::to_string(value.integer()), marks);
        return;
      case Kind::real:
        out_.append(real_repr(value.real()), marks);
        return;
      case Kind::string:
        budget_.scan(value.bytes().size());
        if (value.string().markup) out_.append("Markup(", marks);
        append_string_repr(out_, value.string(), false);
        if (value.string().markup) out_.append(")", marks);
        return;
      case Kind::list:
      case Kind::tuple:
        append_sequence(value, marks);
        return;
      case Kind::dict:
        append_dict(value.dict(), marks);
        return;
      case Kind::view:
        append_view(value.as<View>());
        return;
      default:
        append_object(value, marks);
        return;
    }
  }

  void append_items(const Values& items, Marks marks) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_.append(", ", marks);
      append(items[i], marks);
    }
  }

  void append_sequence(const Value& value, Marks outer) {
    const Sequence& sequence = value.sequence();
    const Marks marks = sequence.input ? from_input : outer;
    const bool is_list = value.is(Kind::list);
    out_.append(is_list ? "[" : "(", marks);
    append_items(sequence.items, marks);
    if (!is_list && sequence.items.size() == 1) out_.append(",", marks);
    out_.append(is_list ? "]" : ")", marks);
  }

  void append_dict(const Dict& dict, Marks outer) {
    const Marks marks = dict.input ? from_input : outer;
    out_.append("{", marks);
    bool first = true;
    for (const auto& [key, value] : dict.entries) {
      if (!first) out_.append(", ", marks);
      first = false;
      append(key, marks);
      out_.append(": ", marks);
      append(value, marks);
    }
    out_.append("}", marks);
  }

  void append_view(const View& view) {
    const Marks marks = view.dict->input ? from_input : no_marks;
    out_.append(view.kind == ViewKind::keys     ? "dict_keys(["
                : view.kind == ViewKind::values ? "dict_values(["
                                                : "dict_items([",
                marks);
    bool first = true;
    for (const auto& [key, value] : view.dict->entries) {
      if (!first) out_.append(", ", marks);
      first = false;
      if (view.kind == ViewKind::items) out_.append("(", marks);
      if (view.kind != ViewKind::values) append(key, marks);
      if (view.kind == ViewKind::items) out_.append(", ", marks);
      if (view.kind != ViewKind::keys) append(value, marks);
      if (view.kind == ViewKind::items) out_.append(")", marks);
    }
    out_.append("])", marks);
  }

  void append_object(const Value& value, Marks marks) {
    switch (value.kind()) {
      case Kind::undefined:
      case Kind::missing:
        out_.append("Undefined", marks);
        return;
      case Kind::range: {
        const Range& range = value.as<Range>();
        std::string text =
            "range(" + std::to_string(range.start) + ", " + std::to_string(range.stop);
        if (range.step != 1) text += ", " + std::to_string(range.step);
        out_.append(text + ")", marks);
        return;
      }
      case Kind::space:
        out_.append("<Namespace ", marks);
        append(dict_value(value.as<Space>().attributes), marks);
        out_.append(">", marks);
        return;
      case Kind::macro: {
        const std::string& name = value.as<Macro>().name;
        out_.append(name.empty() ? "<Macro anonymous>" : "<Macro '" + name + "'>", marks);
        return;
      }
      case Kind::loop: {
        const LoopContext& loop = value.as<LoopContext>();
        out_.append("<LoopContext " + std::to_string(loop.index0 + 1) + "/" +
                        std::to_string(loop.length.value_or(0)) + ">",
                    marks);
        return;
      }
      case Kind::function:
        append_function(value.as<Function>().name, marks);
        return;
      default:
        out_.append("<" + type_name(value) + " object>", marks);
        return;
    }
  }

  void append_function(const std::string& name, Marks marks) {
    if (name == "dict")
      out_.append("<class 'dict'>", marks);
    else if (name == "namespace" || name == "cycler" || name == "joiner")
      out_.append("<class 'jinja2.utils." +
                      std::string(1, static_cast<char>(std::toupper(name[0]))) + name.substr(1) +
                      "'>",
                  marks);
    else
      out_.append("<function " + name + ">", marks);
  }

  Budget& budget_;
  Text& out_;
  int depth_ = 0;
};

}  // namespace

void append_string_repr(Text& out, const String& string, bool ascii_only) {
  const Text& text = string.text;
  const bool has_single = text.view().find('\'') != std::string_view::npos;
  const bool has_double = text.view().find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  MarkReader marks(text);
  out.append(std::string(1, quote), marks.at(0));
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const Marks mark = marks.at(begin);
    const char32_t c = next_code_point(text.view(), at);
    if (c == static_cast<char32_t>(quote) || c == '\\')
      out.append(std::string{'\\', static_cast<char>(c)}, mark);
    else if (c == '\n' || c == '\r' || c == '\t')
      out.append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t", mark);
    else if ((ascii_only && c >= 0x7F) || !is_printable(c))
      append_escape(out, c, mark);
    else
      out.append(text.view().substr(begin, at - begin), mark);
  }
  out.append(std::string(1, quote), text.empty() ? no_marks : text.marks_at(text.size() - 1));
}

void append_repr(Budget& budget, Text& out, const Value& value) {
  const std::size_t before = out.size();
  Representer(budget, out).append(value, no_marks);
  budget.allocate(out.size() - before);
}

void append_str(Budget& budget, Text& out, const Value& value) {
  if (value.is(Kind::string)) {
    out.append(value.string().text);
    budget.allocate(value.bytes().size());
  } else if (!value.is(Kind::undefined) && !value.is(Kind::missing)) {
    append_repr(budget, out, value);
  }
}

Text to_str(Budget& budget, const Value& value) {
  Text text;
  append_str(budget, text, value);
  return text;
}

Text to_repr(Budget& budget, const Value& value) {
  Text text;
  append_repr(budget, text, value);
  return text;
}

}  // namespace fg::text::jinja
