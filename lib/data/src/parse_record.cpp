#include <array>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/base/json.hpp>
#include <fg/base/nearest.hpp>
#include <fg/base/utf8.hpp>
#include <fg/data/records.hpp>

namespace fg::data {
namespace {

constexpr JsonLimits record_limits = {.max_bytes = 64 << 20, .max_depth = 64};

struct Speaker {
  const char* word;
  const char* role;
};
// What ShareGPT's `from` says in the data sets of that form, and the role a template knows.
constexpr std::array speakers = {
    Speaker{"human", "user"},      Speaker{"user", "user"},
    Speaker{"gpt", "assistant"},   Speaker{"assistant", "assistant"},
    Speaker{"model", "assistant"}, Speaker{"chatgpt", "assistant"},
    Speaker{"system", "system"},   Speaker{"tool", "tool"},
    Speaker{"function", "tool"},   Speaker{"observation", "tool"},
};

Json parse_object(std::string_view record, const std::string& place) {
  Json value = parse_json(record, place, record_limits, ExitCode::data);
  if (!value.is_object()) fail(ExitCode::data, place + ": expected a JSON object");
  return value;
}

std::string stripped(const std::string& text) {
  constexpr const char* spaces = " \t\r\n\f\v";
  const std::size_t begin = text.find_first_not_of(spaces);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(spaces) - begin + 1);
}

/// A string under `key`; what is absent or null is "" if it `may_lack`.
std::string text_under(const Json& object, const char* key, bool may_lack,
                       const std::string& place) {
  const auto found = object.find(key);
  const bool lacks = found == object.end() || found->is_null();
  if (lacks && may_lack) return {};
  if (lacks) fail(ExitCode::data, place + ": the key '" + key + "' is missing");
  if (!found->is_string()) fail(ExitCode::data, place + ": '" + key + "' must be a text");
  return found->get<std::string>();
}

const Json& list_under(const Json& object, const char* key, const std::string& place) {
  const auto found = object.find(key);
  if (found == object.end()) fail(ExitCode::data, place + ": the key '" + key + "' is missing");
  if (!found->is_array()) fail(ExitCode::data, place + ": '" + key + "' must be a list");
  return *found;
}

void add_message(Json& messages, const char* role, std::string content) {
  Json message;
  message["role"] = role;
  message["content"] = std::move(content);
  messages.push_back(std::move(message));
}

void add_system(Json& messages, const Json& object, const std::string& place) {
  std::string system = text_under(object, "system", true, place);
  if (!system.empty()) add_message(messages, "system", std::move(system));
}

const char* role_of(const std::string& word, const std::string& place) {
  std::vector<std::string> known;
  for (const Speaker& speaker : speakers) {
    if (word == speaker.word) return speaker.role;
    known.emplace_back(speaker.word);
  }
  fail(ExitCode::data, place + ": nobody known is '" + word +
                           "' in 'from'; wanted is human, gpt, "
                           "system or tool" +
                           did_you_mean(word, known));
}

Json sharegpt_messages(const Json& object, const std::string& place) {
  Json messages = Json::array();
  add_system(messages, object, place);
  std::size_t number = 0;
  for (const Json& turn : list_under(object, "conversations", place)) {
    const std::string at = place + ": turn " + std::to_string(++number);
    if (!turn.is_object()) fail(ExitCode::data, at + ": expected {\"from\", \"value\"}");
    const std::string from = text_under(turn, "from", false, at);
    add_message(messages, role_of(from, at), stripped(text_under(turn, "value", false, at)));
  }
  return messages;
}

Json openai_messages(Json& object, const std::string& place) {
  std::size_t number = 0;
  for (const Json& message : list_under(object, "messages", place)) {
    const std::string at = place + ": message " + std::to_string(++number);
    if (!message.is_object()) fail(ExitCode::data, at + ": expected {\"role\", \"content\"}");
    text_under(message, "role", false, at);
    const auto content = message.find("content");
    const bool absent = content == message.end() || content->is_null();
    if (absent && !message.contains("tool_calls"))
      fail(ExitCode::data, at + ": the key 'content' is missing");
    if (!absent && !content->is_string() && !content->is_array())
      fail(ExitCode::data, at + ": 'content' must be a text or a list of parts");
  }
  return std::move(object["messages"]);
}

Json alpaca_messages(const Json& object, const std::string& place) {
  Json messages = Json::array();
  add_system(messages, object, place);
  if (object.contains("history") && !object["history"].is_null()) {
    for (const Json& pair : list_under(object, "history", place)) {
      const bool complete =
          pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string();
      if (!complete) fail(ExitCode::data, place + ": 'history' must be a list of pairs of texts");
      add_message(messages, "user", pair[0].get<std::string>());
      add_message(messages, "assistant", pair[1].get<std::string>());
    }
  }
  std::string question = text_under(object, "instruction", false, place);
  const std::string input = text_under(object, "input", true, place);
  if (!input.empty()) question += "\n\n" + input;
  add_message(messages, "user", std::move(question));
  add_message(messages, "assistant", text_under(object, "output", false, place));
  return messages;
}

Json optional_list(Json& object, const char* key, const std::string& place) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return nullptr;
  if (!found->is_array()) fail(ExitCode::data, place + ": '" + key + "' must be a list");
  return std::move(*found);
}

Record parse_plain(std::string_view record, Format format, const std::string& place) {
  if (format != Format::text && format != Format::automatic)
    fail(ExitCode::data, place + ": a .txt file holds plain text, not " +
                             std::string(name_of(format)) + " records");
  if (const auto at = find_invalid_utf8(record))
    fail(ExitCode::data, place + ": not valid UTF-8 at its byte " + std::to_string(*at));
  return {.is_chat = false, .chat = {}, .text = std::string(record)};
}

}  // namespace

Format detect_format(std::string_view record, Container container, const std::string& place) {
  if (container == Container::plain) return Format::text;
  const Json object = parse_object(record, place);
  if (object.contains("conversations")) return Format::sharegpt;
  if (object.contains("messages")) return Format::openai;
  if (object.contains("instruction")) return Format::alpaca;
  if (object.contains("text")) return Format::text;
  std::string keys;
  for (const auto& [key, value] : object.items()) {
    if (keys.size() > 200) break;
    keys += (keys.empty() ? "" : ", ") + key;
  }
  fail(ExitCode::data, place + ": of no known format: it has the keys " +
                           (keys.empty() ? "(none)" : keys) +
                           "; wanted is 'conversations' (sharegpt), 'messages' (openai), "
                           "'instruction' (alpaca) or 'text'");
}

Record parse_record(std::string_view record, Container container, Format format,
                    const std::string& place) {
  if (container == Container::plain) return parse_plain(record, format, place);
  Json object = parse_object(record, place);
  Record result;
  if (format == Format::text) {
    result.text = text_under(object, "text", false, place);
    return result;
  }
  FG_CHECK(format != Format::automatic);
  result.is_chat = true;
  if (format == Format::sharegpt) result.chat.messages = sharegpt_messages(object, place);
  if (format == Format::openai) result.chat.messages = openai_messages(object, place);
  if (format == Format::alpaca) result.chat.messages = alpaca_messages(object, place);
  if (format != Format::alpaca) {
    result.chat.tools = optional_list(object, "tools", place);
    result.chat.documents = optional_list(object, "documents", place);
  }
  return result;
}

}  // namespace fg::data
