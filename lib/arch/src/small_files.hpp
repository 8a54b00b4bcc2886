#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <fg/base/json.hpp>

namespace fg::arch {

/// Limit of tokenizer_config.json and its like; some hold chat templates and thousands of tokens.
inline constexpr std::uint64_t largest_small_file = 8 << 20;

/// The object in `text`, or an empty one where there is no text. Error(cannot_load).
Json parse_small(const std::optional<std::string>& text, const std::string& name);

}  // namespace fg::arch
