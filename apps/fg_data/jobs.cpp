#include "jobs.hpp"

#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/text/tokenizer_config.hpp>

namespace fg::data_app {
namespace {

constexpr JsonLimits line_limits = {.max_bytes = 64 << 20, .max_depth = 64};

std::map<std::string, std::string> special_tokens_of(const std::filesystem::path& folder) {
  const auto config = text::TokenizerConfig::load(folder);
  std::map<std::string, std::string> tokens;
  const auto add = [&](const char* role, const std::optional<std::string>& token) {
    if (token) tokens[role] = *token;
  };
  add("bos_token", config.bos_token);
  add("eos_token", config.eos_token);
  add("unk_token", config.unk_token);
  add("pad_token", config.pad_token);
  return tokens;
}

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
    : folder_(folder),
      tokenizer_(text::Tokenizer::load(folder)),
      special_tokens_(special_tokens_of(folder)) {
  if (chat_template.empty()) {
    plain_ = text::load_chat_template(folder, false);
    with_tools_ = text::load_chat_template(folder, true);
    return;
  }
  try {
    plain_ = text::ChatTemplate::parse(read_text(chat_template, 1 << 20), chat_template.string());
  } catch (const Error& error) {
    fail(ExitCode::usage, error.what());
  }
}

const text::ChatTemplate& Jobs::template_for(bool has_tools) const {
  const auto& chosen = has_tools && with_tools_ ? with_tools_ : plain_;
  if (!chosen)
    fail(ExitCode::usage, folder_.string() +
                              ": has no chat template; name one with -t, for example "
                              "configs/chat_templates/chatml.jinja");
  return *chosen;
}

text::Rendered Jobs::render_chat(const Json& value) const {
  Json rest = value;
  text::ChatInput input;
  input.messages = take(rest, "messages");
  input.tools = take(rest, "tools");
  input.documents = take(rest, "documents");
  const Json prompt = take(rest, "add_generation_prompt");
  if (!input.messages.is_array()) fail(ExitCode::data, "'messages' must be a list");
  if (!prompt.is_null() && !prompt.is_boolean())
    fail(ExitCode::data, "'add_generation_prompt' must be true or false");
  input.add_generation_prompt = prompt.is_boolean() && prompt.get<bool>();
  input.special_tokens = special_tokens_;
  input.extra = std::move(rest);
  return template_for(!input.tools.is_null()).render(input);
}

std::string Jobs::render(const std::string& line) const {
  const Json value = parse_line(line);
  if (!value.contains("messages")) fail(ExitCode::data, "render needs the key 'messages'");
  return to_line("text", render_chat(value).text);
}

std::string Jobs::tokenize(const std::string& line) const {
  const Json value = parse_line(line);
  if (value.contains("messages")) {
    const auto chat = render_chat(value);
    return to_line(
        "ids",
        tokenizer_.encode(chat.text, {.add_special_tokens = false, .guarded = chat.from_input})
            .ids);
  }
  if (!value.contains("text") || !value["text"].is_string())
    fail(ExitCode::data, "tokenize needs 'text' (a string) or 'messages'");
  return to_line("ids", tokenizer_.encode(value["text"].get_ref<const std::string&>()).ids);
}

}  // namespace fg::data_app
