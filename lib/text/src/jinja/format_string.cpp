#include "jinja/attributes.hpp"
#include "jinja/format_spec.hpp"
#include "jinja/markup.hpp"
#include "jinja/operators.hpp"
#include "jinja/python_text.hpp"
#include "jinja/unicode.hpp"

namespace fg::text::jinja {
namespace {

bool is_index(std::string_view text) {
  return !text.empty() && text.size() < 10 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Reads the replacement fields of a format string, as Python's string.Formatter does.
class StringFormatter {
public:
  StringFormatter(Interpreter& run, bool escapes, const Values& positional, const Dict& named)
      : run_(run), escapes_(escapes), positional_(positional), named_(named) {}

  Text format(const Text& format, int depth) {
    if (depth < 0) value_failure("Max string recursion exceeded");
    run_.budget().scan(format.size());
    const std::string_view text = format.view();
    Text out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t brace = std::min(text.find_first_of("{}", at), text.size());
      out.append(format, at, brace);
      at = brace;
      if (at >= text.size()) break;
      if (at + 1 < text.size() && text[at + 1] == text[at]) {
        out.append(format, at, at + 1);
        at += 2;
        continue;
      }
      if (text[at] == '}') value_failure("Single '}' encountered in format string");
      const std::size_t end = field_end(text, at + 1);
      out.append(field(format, at + 1, end, depth));
      at = end + 1;
    }
    return out;
  }

private:
  static std::size_t field_end(std::string_view text, std::size_t at) {
    int open = 1;
    bool in_item = false;
    for (std::size_t i = at; i < text.size(); ++i) {
      if (text[i] == '[') in_item = true;
      if (text[i] == ']') in_item = false;
      if (in_item) continue;
      if (text[i] == '{') ++open;
      if (text[i] == '}' && --open == 0) return i;
    }
    if (at >= text.size()) value_failure("Single '{' encountered in format string");
    value_failure("expected '}' before end of string");
  }

  Text field(const Text& format, std::size_t begin, std::size_t end, int depth) {
    const std::string body = format.bytes().substr(begin, end - begin);
    std::size_t name_end = 0;
    bool in_item = false;
    for (; name_end < body.size(); ++name_end) {
      const char c = body[name_end];
      if (c == '[') in_item = true;
      if (c == ']') in_item = false;
      if (c == '{' && !in_item) value_failure("unexpected '{' in field name");
      if (!in_item && (c == ':' || c == '!')) break;
    }
    char conversion = '\0';
    std::size_t spec_begin = name_end;
    if (name_end < body.size() && body[name_end] == '!') {
      if (name_end + 1 >= body.size())
        value_failure("end of string while looking for conversion specifier");
      conversion = body[name_end + 1];
      spec_begin = name_end + 2;
      if (spec_begin < body.size() && body[spec_begin] != ':')
        value_failure("expected ':' after conversion specifier");
    }
    Value value = look_up(body.substr(0, name_end));
    value = convert(value, conversion);
    const std::size_t spec_at = std::min(spec_begin + 1, body.size());
    const Text spec = this->format(format.slice(begin + spec_at, end), depth - 1);
    Text result = format_value(run_, value, spec.bytes());
    if (!escapes_) return result;
    return value.is(Kind::string) && value.string().markup ? result : escape_text(result);
  }

  Value convert(const Value& value, char conversion) {
    switch (conversion) {
      case '\0':
        return value;
      case 's':
        return run_.string(to_str(run_.budget(), value));
      case 'r':
        return run_.string(to_repr(run_.budget(), value));
      case 'a': {
        if (!value.is(Kind::string)) return run_.string(to_repr(run_.budget(), value));
        Text text;
        append_string_repr(text, value.string(), true);
        return run_.string(std::move(text));
      }
      default:
        value_failure(std::string("Unknown conversion specifier ") + conversion);
    }
  }

  Value first_value(const std::string& first) {
    std::string name = first;
    if (name.empty()) {
      if (next_ < 0)
        value_failure("cannot switch from manual field specification to automatic field numbering");
      name = std::to_string(next_++);
    } else if (is_index(name)) {
      if (next_ > 0)
        value_failure("cannot switch from automatic field numbering to manual field specification");
      next_ = -1;
    }
    if (is_index(name)) {
      const auto index = static_cast<std::size_t>(std::stoul(name));
      if (index >= positional_.size())
        throw Failure(FailureKind::lookup,
                      "Replacement index " + name + " out of range for positional args tuple");
      return positional_[index];
    }
    const Value* value = named_.find(std::string_view(name));
    if (value == nullptr)
      throw Failure(FailureKind::lookup, "a format needs the keyword '" + name + "'");
    return *value;
  }

  Value look_up(const std::string& name) {
    std::size_t at = std::min(name.find_first_of(".["), name.size());
    Value value = first_value(name.substr(0, at));
    while (at < name.size()) {
      run_.budget().step();
      if (name[at] == '.') {
        const std::size_t end = std::min(name.find_first_of(".[", at + 1), name.size());
        if (end == at + 1) value_failure("Empty attribute in format string");
        value = read_attribute(run_, value, run_.string(name.substr(at + 1, end - at - 1)));
        at = end;
        continue;
      }
      if (name[at] != '[')
        value_failure("Only '.' or '[' may follow ']' in format field specifier");
      const std::size_t end = name.find(']', at);
      if (end == std::string::npos) value_failure("Missing ']' in format string");
      const std::string key = name.substr(at + 1, end - at - 1);
      if (key.empty()) value_failure("Empty attribute in format string");
      const Value item =
          is_index(key) ? Value(static_cast<std::int64_t>(std::stol(key))) : run_.string(key);
      value = read_item(run_, value, item);
      at = end + 1;
    }
    return value;
  }

  Interpreter& run_;
  bool escapes_;
  const Values& positional_;
  const Dict& named_;
  std::int64_t next_ = 0;  // -1: fields are numbered by hand
};

}  // namespace

Value format_string(Interpreter& run, const String& format, const Values& positional,
                    const Dict& named) {
  StringFormatter formatter(run, format.markup, positional, named);
  return run.string(formatter.format(format.text, 2), format.markup);
}

}  // namespace fg::text::jinja
