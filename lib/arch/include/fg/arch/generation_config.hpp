#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fg/base/json.hpp>

namespace fg::arch {

/// Ids of the roles as the tokenizer has them; nothing where it lacks the role.
struct TokenIds {
  std::optional<std::int64_t> bos;
  std::optional<std::int64_t> eos;
  std::optional<std::int64_t> pad;

  friend bool operator==(const TokenIds&, const TokenIds&) = default;
};

/// An `eos_token_id` (absent, null, one id or a list). Error(cannot_load).
std::vector<std::int64_t> parse_eos(const Json& object, const std::string& name);

/// What a generation_config.json says of how tokens are drawn; nothing where it is silent.
struct SamplingDefaults {
  std::optional<bool> do_sample;
  std::optional<double> temperature;
  std::optional<std::int64_t> top_k;  // 0: off
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;

  friend bool operator==(const SamplingDefaults&, const SamplingDefaults&) = default;
};

/// Other keys are not looked at. Error(cannot_load) for a value that cannot be.
SamplingDefaults parse_sampling_defaults(const Json& generation, const std::string& name);

/// config.json and generation_config.json after they were made to agree.
struct AgreedConfigs {
  Json config;
  std::optional<Json> generation;  // nothing where there is nothing to say
  std::vector<std::string> notes;  // sentences for the user
};

/// Makes both files agree with the tokenizer. `eos_token_id` becomes, in both, the union in this
/// order of what config.json, generation_config.json and the tokenizer say, each id once; a single
/// id stays a scalar unless the file had a list. `bos_token_id` and `pad_token_id` become the
/// tokenizer's where it has that role. All other keys stay as they are. Without a
/// generation_config.json one is made of those three. Error(cannot_load).
AgreedConfigs agree_on_tokens(Json config, std::optional<Json> generation, const TokenIds& ids,
                              const std::string& name);

}  // namespace fg::arch
