#include "fg/arch/config_json.hpp"

#include <utility>

#include "fg/arch/model_config.hpp"
#include "fields.hpp"

namespace fg::arch {
namespace {

bool has_value(const Json& object, const char* key) {
  return object.contains(key) && !object[key].is_null();
}

void add_dtype_spelling(Json& config) {
  const bool old_word = has_value(config, "torch_dtype");
  const bool new_word = has_value(config, "dtype");
  if (old_word && !new_word) config["dtype"] = Json(config["torch_dtype"]);
  if (new_word && !old_word) config["torch_dtype"] = Json(config["dtype"]);
}

/// transformers 4.x wants the original length inside; 5.x fills it in from the model's.
void add_original_length(Json& rope, const Rope& parsed) {
  if (parsed.kind != RopeKind::llama3 && parsed.kind != RopeKind::yarn) return;
  if (!has_value(rope, "original_max_position_embeddings"))
    rope["original_max_position_embeddings"] = parsed.original_max_position_embeddings;
}

Json scaling_from(const Json& parameters, const Rope& parsed) {
  Json scaling = parameters;
  scaling.erase("rope_theta");
  scaling["rope_type"] = name_of(parsed.kind);
  add_original_length(scaling, parsed);
  return scaling;
}

Json parameters_from(const Json* scaling, const Rope& parsed) {
  Json parameters = scaling != nullptr ? *scaling : Json::object();
  parameters.erase("type");
  parameters["rope_type"] = name_of(parsed.kind);
  parameters["rope_theta"] = parsed.theta;
  add_original_length(parameters, parsed);
  return parameters;
}

/// transformers 4.57 fails on a Mistral model with these kinds of rope and no explicit head_dim.
void add_head_dim(Json& config, const ModelConfig& parsed) {
  const bool reads_it = parsed.rope.kind == RopeKind::dynamic || parsed.rope.kind == RopeKind::yarn;
  if (parsed.family == Family::mistral && reads_it && !config.contains("head_dim"))
    config["head_dim"] = parsed.head_dim;
}

void add_rope_spelling(Json& config, const Rope& parsed) {
  const bool had_theta = config.contains("rope_theta");
  const bool had_scaling = has_value(config, "rope_scaling");
  if (has_value(config, "rope_parameters")) {
    const Json parameters = config["rope_parameters"];
    if (!had_theta) config["rope_theta"] = parsed.theta;
    if (!had_scaling && parsed.kind != RopeKind::standard)
      config["rope_scaling"] = scaling_from(parameters, parsed);
    return;
  }
  if (!had_theta && had_scaling) config["rope_theta"] = parsed.theta;
  if (!had_theta && !had_scaling) return;  // silent in both spellings, both take the default
  const Json scaling = had_scaling ? config["rope_scaling"] : Json();
  config["rope_parameters"] = parameters_from(had_scaling ? &scaling : nullptr, parsed);
}

}  // namespace

std::optional<FgObject> find_fg_object(const Json& config, const std::string& name) {
  const Fields root(config, name);
  const Json* object = root.find("fg");
  if (object == nullptr) return std::nullopt;
  const Fields fields(*object, name, "fg.");
  fields.require("format_version");
  FgObject result;
  result.format_version = static_cast<int>(fields.integer("format_version", 1, 1, 1 << 20));
  if (result.format_version > newest_format_version)
    fields.refuse("format_version",
                  "at most " + std::to_string(newest_format_version) +
                      "; the directory was written by a newer fg, use that one to read it");
  result.source_type = fields.text("source_type", "");
  result.dtype = fields.text("dtype", "");
  return result;
}

Json with_fg_object(Json config, const FgObject& object) {
  config["fg"] = Json{{"format_version", object.format_version},
                      {"source_type", object.source_type},
                      {"dtype", object.dtype}};
  return config;
}

Json without_fg_object(Json config) {
  config.erase("fg");
  return config;
}

Json with_both_spellings(Json config) {
  const ModelConfig parsed = parse_model_config(config, "config.json");
  add_dtype_spelling(config);
  add_rope_spelling(config, parsed.rope);
  add_head_dim(config, parsed);
  return config;
}

Json with_dtype(Json config, std::string_view dtype) {
  config["torch_dtype"] = dtype;
  config["dtype"] = dtype;
  return config;
}

Json with_vocab_size(Json config, std::int64_t rows) {
  config["vocab_size"] = rows;
  return config;
}

std::string to_file_text(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::strict) + "\n";
}

}  // namespace fg::arch
