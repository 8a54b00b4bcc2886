#include "jobs.hpp"

#include <fg/base/error.hpp>

namespace fg::data_app {
namespace {

constexpr JsonLimits line_limits = {.max_bytes = 64 << 20, .max_depth = 64};

Json parse_line(const std::string& line) {
  Json value = parse_json(line, "JSON", line_limits, ExitCode::data);
  if (!value.is_object()) fail(ExitCode::data, "expected a JSON object");
  return value;
}

/// The value of a key, taken out of the object; null where it is absent.
Json take(Json& object, const char* key) {
  if (!object.contains(key)) return nullptr;
  Json value = std::move(object[key]);
  object.erase(key);
  return value;
}

std::string to_line(const char* key, const Json& value) {
  Json answer;
  answer[key] = value;
  return answer.dump();
}

}  // namespace

Jobs::Jobs(const std::filesystem::path& folder, const std::filesystem::path& chat_template)
    : encoder_(data::ChatEncoder::load(folder, chat_template)) {}

text::Rendered Jobs::render_chat(Json value) const {
  text::ChatInput input;
  input.messages = take(value, "messages");
  input.tools = take(value, "tools");
  input.documents = take(value, "documents");
  const Json prompt = take(value, "add_generation_prompt");
  if (!input.messages.is_array()) fail(ExitCode::data, "'messages' must be a list");
  if (!prompt.is_null() && !prompt.is_boolean())
    fail(ExitCode::data, "'add_generation_prompt' must be true or false");
  input.add_generation_prompt = prompt.is_boolean() && prompt.get<bool>();
  input.extra = std::move(value);
  return encoder_.render(std::move(input));
}

std::string Jobs::render(const std::string& line) const {
  Json value = parse_line(line);
  if (!value.contains("messages")) fail(ExitCode::data, "render needs the key 'messages'");
  return to_line("text", render_chat(std::move(value)).text);
}

std::string Jobs::tokenize(const std::string& line) const {
  Json value = parse_line(line);
  if (value.contains("messages"))
    return to_line("ids", encoder_.encode(render_chat(std::move(value))));
  if (!value.contains("text") || !value["text"].is_string())
    fail(ExitCode::data, "tokenize needs 'text' (a string) or 'messages'");
  return to_line("ids",
                 encoder_.tokenizer().encode(value["text"].get_ref<const std::string&>()).ids);
}

}  // namespace fg::data_app
