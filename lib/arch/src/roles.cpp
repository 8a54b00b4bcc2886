#include "roles.hpp"

#include <utility>

#include "fields.hpp"
#include "small_files.hpp"

namespace fg::arch {
namespace {

/// "TOKEN" or {"content": "TOKEN", ...}.
std::optional<std::string> token_text(const Json& value, const std::string& name,
                                      std::string_view key) {
  if (value.is_null()) return std::nullopt;
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("content") && value["content"].is_string())
    return value["content"].get<std::string>();
  fail(ExitCode::cannot_load, name + ": '" + std::string(key) + "' is " + shown(value) +
                                  "; allowed: a token, or an object with its 'content'");
}

/// What the tokenizer class assumes where the files are silent.
std::optional<std::string> class_default(const std::string& tokenizer_class, Role role) {
  if (tokenizer_class.starts_with("LlamaTokenizer")) {
    if (role == Role::bos) return "<s>";
    if (role == Role::eos) return "</s>";
    if (role == Role::unk) return "<unk>";
  }
  if (tokenizer_class.starts_with("Qwen2Tokenizer") && role != Role::bos) return "<|endoftext|>";
  return std::nullopt;
}

}  // namespace

std::string_view key_of(Role role) {
  switch (role) {
    case Role::bos:
      return "bos_token";
    case Role::eos:
      return "eos_token";
    case Role::unk:
      return "unk_token";
    case Role::pad:
      return "pad_token";
  }
  return "";
}

RoleTokens find_roles(const TokenizerFiles& files, const Vocabulary& vocabulary) {
  const std::string config_name = files.name + "/tokenizer_config.json";
  const std::string map_name = files.name + "/special_tokens_map.json";
  const Json config = parse_small(files.tokenizer_config, config_name);
  const Json map = parse_small(files.special_tokens_map, map_name);
  const std::string tokenizer_class = Fields(config, config_name).text("tokenizer_class", "");
  RoleTokens result;
  for (const Role role : all_roles) {
    const std::string key(key_of(role));
    if (!config.contains("added_tokens_decoder") && map.contains(key)) {
      result[role] = token_text(map[key], map_name, key);
    } else if (config.contains(key)) {
      result[role] = token_text(config[key], config_name, key);
    } else if (const auto assumed = class_default(tokenizer_class, role);
               assumed && vocabulary.find(*assumed)) {
      result[role] = assumed;
    }
  }
  return result;
}

}  // namespace fg::arch
