#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <fg/base/error.hpp>

namespace fg {

/// JSON whose objects keep the order of the file. Look-ups are linear: for the big tables of a
/// tokenizer use a SAX handler of your own.
using Json = nlohmann::ordered_json;

struct JsonLimits {
  std::uint64_t max_bytes = 1 << 20;
  int max_depth = 64;
};

/// Parses one JSON document: valid UTF-8, no duplicate keys, no NaN, nothing behind it, depth and
/// size within `limits`. `name` (a path, or "line 12") begins every message. Error(code).
Json parse_json(std::string_view text, const std::string& name, JsonLimits limits = {},
                ExitCode code = ExitCode::cannot_load);

/// The same for a file. Error(cannot_load).
Json read_json(const std::filesystem::path& path, JsonLimits limits = {});

}  // namespace fg
