#include <algorithm>

#include <fg/base/failpoint.hpp>
#include <fg/base/utf8.hpp>
#include <fg/text/chat_template.hpp>

#include "jinja/interpreter.hpp"
#include "jinja/parser.hpp"
#include "jinja/scopes.hpp"

namespace fg::text {
namespace {

using jinja::Value;

constexpr std::size_t max_source_bytes = std::size_t{1} << 18;
constexpr int max_json_depth = 64;

std::string at_place(const std::string& name, int line, int column, const std::string& message) {
  return name + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + message;
}

/// Turns JSON into values whose strings carry `marks`.
class Converter {
public:
  Converter(jinja::Budget& budget, jinja::Marks marks) : budget_(budget), marks_(marks) {}

  Value convert(const Json& json, int depth = 0) {
    if (depth > max_json_depth) jinja::limit_failure("the input is nested too deep");
    switch (json.type()) {
      case Json::value_t::null:
        return Value();
      case Json::value_t::boolean:
        return Value(json.get<bool>());
      case Json::value_t::number_integer:
        return Value(json.get<std::int64_t>());
      case Json::value_t::number_unsigned:
        if (json.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
          jinja::limit_failure("an integer of the input does not fit in 64 bits");
        return Value(json.get<std::int64_t>());
      case Json::value_t::number_float:
        return Value(json.get<double>());
      case Json::value_t::string:
        return convert_string(json.get_ref<const std::string&>());
      case Json::value_t::array:
        return convert_array(json, depth);
      case Json::value_t::object:
        return convert_object(json, depth);
      case Json::value_t::binary:
      case Json::value_t::discarded:
        break;
    }
    jinja::value_failure("the input holds something that is not JSON");
  }

  Value convert_string(const std::string& bytes) {
    if (find_invalid_utf8(bytes)) jinja::value_failure("the input holds text that is not UTF-8");
    return jinja::make_string(budget_, jinja::Text(bytes, marks_));
  }

  /// A list of messages: strings of the assistant's are marked as such, but for the role.
  Value convert_messages(const Json& messages) {
    if (!messages.is_array()) return convert(messages);
    jinja::Values items;
    items.reserve(messages.size());
    jinja::Marks assistant = jinja::from_assistant_even;
    for (const Json& message : messages) {
      const auto role = message.is_object() ? message.find("role") : message.end();
      const bool is_assistant =
          message.is_object() && role != message.end() && *role == "assistant";
      items.push_back(is_assistant ? convert_assistant(message, assistant) : convert(message, 1));
      if (is_assistant) assistant = static_cast<jinja::Marks>(assistant ^ jinja::from_assistant);
    }
    const Value list = jinja::make_list(budget_, std::move(items));
    list.as<jinja::Sequence>().input = is_input();
    return list;
  }

private:
  Value convert_assistant(const Json& message, jinja::Marks assistant) {
    Converter marking(budget_, static_cast<jinja::Marks>(marks_ | assistant));
    budget_.allocate(message.size() * 4 * sizeof(Value));
    auto dict = jinja::make_dict();
    for (const auto& [key, item] : message.items())
      dict->set(convert_string(key), (key == "role" ? *this : marking).convert(item, 2));
    dict->input = is_input();
    return jinja::dict_value(std::move(dict));
  }

  bool is_input() const { return (marks_ & jinja::from_input) != 0; }

  Value convert_array(const Json& json, int depth) {
    jinja::Values items;
    items.reserve(json.size());
    for (const Json& item : json) items.push_back(convert(item, depth + 1));
    const Value list = jinja::make_list(budget_, std::move(items));
    list.as<jinja::Sequence>().input = is_input();
    return list;
  }

  Value convert_object(const Json& json, int depth) {
    budget_.allocate(json.size() * 4 * sizeof(Value));
    auto dict = jinja::make_dict();
    for (const auto& [key, item] : json.items())
      dict->set(convert_string(key), convert(item, depth + 1));
    dict->input = is_input();
    return jinja::dict_value(std::move(dict));
  }

  jinja::Budget& budget_;
  jinja::Marks marks_;
};

std::shared_ptr<const jinja::Dict> variables_of(const ChatInput& input,
                                                const jinja::Limits& limits) {
  jinja::Budget budget(limits);
  Converter from_input(budget,
                       fault_planted("text.input_unmarked") ? jinja::no_marks : jinja::from_input);
  Converter own(budget, jinja::no_marks);
  auto variables = jinja::make_dict();
  const auto set = [&](const std::string& name, Value value) {
    variables->set(jinja::make_constant_string(name), std::move(value));
  };
  for (const auto& [name, token] : input.special_tokens) set(name, own.convert_string(token));
  if (!input.extra.is_object() && !input.extra.is_null())
    jinja::value_failure("the extra variables are not an object");
  for (const auto& [name, value] : input.extra.items()) set(name, from_input.convert(value));
  set("messages", from_input.convert_messages(input.messages));
  set("tools", from_input.convert(input.tools));
  set("documents", from_input.convert(input.documents));
  set("add_generation_prompt", Value(input.add_generation_prompt));
  return variables;
}

std::vector<ByteSpan> spans_of(const jinja::Text& text, jinja::Marks mark) {
  std::vector<ByteSpan> spans;
  std::size_t begin = 0;
  for (const jinja::Text::Run& run : text.runs()) {
    if ((run.marks & mark) != 0) {
      if (!spans.empty() && spans.back().end == begin)
        spans.back().end = run.end;
      else
        spans.push_back({begin, run.end});
    }
    begin = run.end;
  }
  return spans;
}

std::vector<ByteSpan> assistant_spans(const jinja::Text& text) {
  std::vector<ByteSpan> spans;
  jinja::Marks open = jinja::no_marks;  // whose span may still grow
  std::size_t begin = 0;
  for (const jinja::Text::Run& run : text.runs()) {
    const auto own = static_cast<jinja::Marks>(run.marks & jinja::from_assistant);
    if (own != jinja::no_marks && own == open)
      spans.back().end = run.end;
    else if (own != jinja::no_marks)
      spans.push_back({begin, run.end});
    if (own != jinja::no_marks || (run.marks & jinja::from_input) != 0) open = own;
    begin = run.end;
  }
  return spans;
}

bool holds_generation(const jinja::Body& body) {
  return std::any_of(body.begin(), body.end(), [](const jinja::StatementPtr& statement) {
    return statement->kind == jinja::StatementKind::generation ||
           holds_generation(statement->body) || holds_generation(statement->otherwise) ||
           holds_generation(statement->elifs);
  });
}

}  // namespace

struct ChatTemplate::Parsed {
  jinja::Tree tree;
};

ChatTemplate::ChatTemplate(std::string source, std::string name,
                           std::shared_ptr<const Parsed> parsed)
    : source_(std::move(source)),
      name_(std::move(name)),
      parsed_(std::move(parsed)),
      clock_(std::chrono::system_clock::now) {}

bool ChatTemplate::has_generation() const {
  return holds_generation(parsed_->tree.body);
}

void ChatTemplate::set_clock(TemplateClock clock) {
  clock_ = std::move(clock);
}

ChatTemplate ChatTemplate::parse(std::string source, std::string name) {
  if (source.size() > max_source_bytes)
    fail(ExitCode::cannot_load, name + ": a chat template of " + std::to_string(source.size()) +
                                    " bytes; at most " + std::to_string(max_source_bytes) +
                                    " are read");
  if (const auto at = find_invalid_utf8(source))
    fail(ExitCode::cannot_load, name + ": not valid UTF-8 at byte " + std::to_string(*at));
  auto parsed = std::make_shared<Parsed>();
  try {
    parsed->tree = jinja::resolve(jinja::parse(source));
  } catch (const jinja::SyntaxFailure& failure) {
    throw TemplateError(ExitCode::cannot_load,
                        at_place(name, failure.line, failure.column, failure.what()), failure.line,
                        failure.column);
  }
  return ChatTemplate(std::move(source), std::move(name), std::move(parsed));
}

Rendered ChatTemplate::render(const ChatInput& input, const RenderLimits& limits) const {
  jinja::Limits own;
  own.steps = limits.steps;
  own.call_depth = limits.call_depth;
  own.output_bytes = limits.output_bytes;
  own.allocated_bytes = limits.memory_bytes;
  own.scanned_bytes = 2 * limits.memory_bytes;
  const auto refuse = [this](const char* message, jinja::Place place) {
    throw TemplateError(ExitCode::data, at_place(name_, place.line, place.column, message),
                        place.line, place.column);
  };
  std::shared_ptr<const jinja::Dict> variables;
  try {
    variables = variables_of(input, own);
  } catch (const jinja::Failure& failure) {
    refuse(failure.what(), {});
  }
  jinja::Interpreter interpreter(parsed_->tree, std::move(variables), own, clock_);
  try {
    const jinja::Text text = interpreter.render();
    return {text.bytes(), spans_of(text, jinja::from_input), spans_of(text, jinja::in_generation),
            assistant_spans(text)};
  } catch (const jinja::Failure& failure) {
    refuse(failure.what(), interpreter.place());
  }
  return {};
}

}  // namespace fg::text
