#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <fg/base/json.hpp>

namespace fg::arch {

/// The tokens of a tokenizer.json and their ids: the model's table and the added tokens.
class Vocabulary {
public:
  /// Reads the text front to back once. Checked: JSON with limits, model.vocab an object of ids,
  /// ids from 0 without holes (the tokenizers package renumbers added tokens otherwise), no token
  /// twice. Error(cannot_load) with `name`.
  Vocabulary(std::string_view tokenizer_json, const std::string& name);

  std::optional<std::int64_t> find(std::string_view token) const;
  /// Tokens, which is also the next new id.
  std::int64_t size() const { return static_cast<std::int64_t>(ids_.size()); }
  /// The `added_tokens` array.
  const Json& added_tokens() const { return added_tokens_; }

private:
  void add_added_tokens(const std::string& name);
  void check_ids(const std::string& name) const;

  std::unordered_map<std::string, std::int64_t> ids_;
  Json added_tokens_ = Json::array();
};

}  // namespace fg::arch
