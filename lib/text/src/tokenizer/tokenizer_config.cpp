#include <algorithm>
#include <charconv>

#include <fg/base/json.hpp>
#include <fg/text/tokenizer_config.hpp>

#include "tokenizer/json_part.hpp"

namespace fg::text {
namespace {

using tok::JsonPart;

constexpr JsonLimits limits{.max_bytes = 16 << 20, .max_depth = 64};

std::optional<JsonPart> find_not_null(const JsonPart& object, std::string_view key) {
  auto found = object.find(key);
  if (found && found->is_null()) found.reset();
  return found;
}

/// A token: a string, or an object with its content.
std::optional<std::string> read_token(const JsonPart& object, std::string_view key) {
  const auto part = find_not_null(object, key);
  if (!part) return std::nullopt;
  return part->is_string() ? part->text() : part->text("content");
}

void fill_tokens(TokenizerConfig& config, const JsonPart& object) {
  const auto fill = [&](std::optional<std::string>& token, std::string_view key) {
    if (!token) token = read_token(object, key);
  };
  fill(config.bos_token, "bos_token");
  fill(config.eos_token, "eos_token");
  fill(config.unk_token, "unk_token");
  fill(config.pad_token, "pad_token");
}

void read_templates(TokenizerConfig& config, const JsonPart& object) {
  const auto part = find_not_null(object, "chat_template");
  if (!part) return;
  if (part->is_string()) {
    config.chat_template = part->text();
    return;
  }
  for (const JsonPart& entry : part->elements()) {
    config.named_templates.emplace_back(entry.text("name"), entry.text("template"));
    if (config.named_templates.back().first == "default")
      config.chat_template = config.named_templates.back().second;
  }
}

std::int32_t read_id(const JsonPart& part, std::string_view text) {
  std::int32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 0)
    part.refuse("expected an id, found '" + std::string(text) + "'");
  return id;
}

void read_added_tokens_decoder(TokenizerConfig& config, const Json& document,
                               const JsonPart& object) {
  const auto part = find_not_null(object, "added_tokens_decoder");
  if (!part) return;
  if (!part->is_object()) part->refuse("expected an object");
  for (const auto& [key, value] : document.at("added_tokens_decoder").items()) {
    const JsonPart entry(value, part->place() + "." + key);
    config.added_tokens.push_back({.id = read_id(entry, key),
                                   .content = entry.text("content"),
                                   .single_word = entry.flag("single_word", false),
                                   .lstrip = entry.flag("lstrip", false),
                                   .rstrip = entry.flag("rstrip", false),
                                   .normalized = entry.flag("normalized", false),
                                   .special = entry.flag("special", false)});
  }
}

void read_config(TokenizerConfig& config, const std::filesystem::path& path) {
  const Json document = read_json(path, limits);
  const JsonPart object(document, path.string());
  fill_tokens(config, object);
  if (const auto flag = find_not_null(object, "add_bos_token")) config.add_bos_token = flag->flag();
  if (const auto flag = find_not_null(object, "add_eos_token")) config.add_eos_token = flag->flag();
  read_templates(config, object);
  read_added_tokens_decoder(config, document, object);
}

void read_added_tokens(TokenizerConfig& config, const std::filesystem::path& path) {
  const Json document = read_json(path, limits);
  const JsonPart object(document, path.string());
  object.find("");  // refuses what is no object
  for (const auto& [content, value] : document.items()) {
    const JsonPart id(value, path.string() + ": " + content);
    config.added_tokens.push_back(
        {.id = static_cast<std::int32_t>(id.count()), .content = content});
  }
}

}  // namespace

TokenizerConfig TokenizerConfig::load(const std::filesystem::path& folder) {
  TokenizerConfig config;
  if (const auto path = folder / "tokenizer_config.json"; std::filesystem::exists(path))
    read_config(config, path);
  if (const auto path = folder / "special_tokens_map.json"; std::filesystem::exists(path)) {
    const Json document = read_json(path, limits);
    fill_tokens(config, JsonPart(document, path.string()));
  }
  if (const auto path = folder / "added_tokens.json";
      config.added_tokens.empty() && std::filesystem::exists(path))
    read_added_tokens(config, path);
  std::sort(config.added_tokens.begin(), config.added_tokens.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return config;
}

}  // namespace fg::text
