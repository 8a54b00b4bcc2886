#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <fg/base/json.hpp>

namespace fg::arch {

/// The `fg` object in config.json, which marks a directory that fg wrote.
struct FgObject {
  int format_version = 1;
  std::string source_type;  // model_type of the source, "llama"
  std::string dtype;        // of the stored weights, "bfloat16"

  friend bool operator==(const FgObject&, const FgObject&) = default;
};

/// The newest `format_version` this build reads.
inline constexpr int newest_format_version = 1;

/// The object, or nothing where config.json has none. A malformed one, and one of a newer format,
/// are refused. Error(cannot_load).
std::optional<FgObject> find_fg_object(const Json& config, const std::string& name);
Json with_fg_object(Json config, const FgObject& object);
Json without_fg_object(Json config);

/// Adds whichever spelling is missing, so that transformers 4.57 and 5.17 load the same model:
/// `torch_dtype` and `dtype`; `rope_theta` with `rope_scaling`, and `rope_parameters`. Every key
/// that was there stays as it is. `config` has passed parse_model_config.
Json with_both_spellings(Json config);

/// Sets the dtype in both spellings.
Json with_dtype(Json config, std::string_view dtype);
Json with_vocab_size(Json config, std::int64_t rows);

/// How config.json is written: two spaces, Unicode as it is, a newline at the end.
std::string to_file_text(const Json& value);

}  // namespace fg::arch
