#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fg::text {

/// What this project reads of tokenizer_config.json, special_tokens_map.json and added_tokens.json.
struct TokenizerConfig {
  std::optional<std::string> bos_token, eos_token, unk_token, pad_token;
  std::optional<bool> add_bos_token, add_eos_token;
  /// The template of the config, if it holds one (chat_template.jinja is not looked at).
  std::optional<std::string> chat_template;
  /// Where the config holds several by name, those; "default" is also `chat_template`.
  std::vector<std::pair<std::string, std::string>> named_templates;

  struct AddedToken {
    std::int32_t id = 0;
    std::string content;
    bool single_word = false, lstrip = false, rstrip = false, normalized = true, special = false;
  };
  /// added_tokens_decoder, else added_tokens.json; by id.
  std::vector<AddedToken> added_tokens;

  /// From the files in `folder` that exist; special_tokens_map.json fills what
  /// tokenizer_config.json leaves out. Tokens may be strings or objects with `content`. Keys not
  /// named above are not looked at. Error(cannot_load) naming file and key.
  static TokenizerConfig load(const std::filesystem::path& folder);
};

}  // namespace fg::text
