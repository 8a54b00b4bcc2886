#include "rope.hpp"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <fg/base/nearest.hpp>

namespace fg::arch {
namespace {

constexpr double largest_theta = 1e15;
constexpr double largest_factor = 1e6;
constexpr std::int64_t largest_context = std::int64_t{1} << 40;

constexpr std::array<std::pair<std::string_view, RopeKind>, 5> kinds = {{
    {"default", RopeKind::standard},
    {"linear", RopeKind::linear},
    {"dynamic", RopeKind::dynamic},
    {"llama3", RopeKind::llama3},
    {"yarn", RopeKind::yarn},
}};

RopeKind parse_kind(const Fields& rope) {
  const Json* old_word = rope.find("type");
  const Json* new_word = rope.find("rope_type");
  if (old_word != nullptr && new_word != nullptr && *old_word != *new_word)
    rope.refuse("type", "the same as 'rope_type', which is " + shown(*new_word) +
                            " (transformers 4.x and 5.x would load two different models)");
  const char* key = new_word != nullptr ? "rope_type" : "type";
  const std::string word = rope.text(key, "default");
  for (const auto& [name, kind] : kinds)
    if (word == name) return kind;
  std::vector<std::string> known;
  for (const auto& [name, kind] : kinds) known.emplace_back(name);
  rope.refuse(key, "default, linear, dynamic, llama3, yarn" + did_you_mean(word, known));
}

void parse_yarn(const Fields& rope, Rope& result) {
  result.attention_factor = rope.maybe_number("attention_factor", 0, largest_factor);
  result.beta_fast = rope.maybe_number("beta_fast", 1e-6, largest_factor).value_or(32.0);
  result.beta_slow = rope.maybe_number("beta_slow", 1e-6, largest_factor).value_or(1.0);
  result.mscale = rope.maybe_number("mscale", 0, largest_factor);
  result.mscale_all_dim = rope.maybe_number("mscale_all_dim", 0, largest_factor);
  result.truncate = rope.boolean("truncate", true);
  if (result.beta_fast < result.beta_slow)
    rope.refuse("beta_fast", "at least beta_slow, which is " + Json(result.beta_slow).dump());
}

void parse_llama3(const Fields& rope, Rope& result) {
  rope.require("low_freq_factor");
  rope.require("high_freq_factor");
  result.low_freq_factor = rope.number("low_freq_factor", 1, 1e-6, largest_factor);
  result.high_freq_factor = rope.number("high_freq_factor", 4, 1e-6, largest_factor);
  if (result.high_freq_factor <= result.low_freq_factor)
    rope.refuse("high_freq_factor",
                "more than low_freq_factor, which is " + Json(result.low_freq_factor).dump());
}

void parse_scaling(const Fields& rope, std::int64_t max_position_embeddings, Rope& result) {
  if (result.kind == RopeKind::standard) return;
  rope.require("factor");
  result.factor = rope.number("factor", 1, 1e-6, largest_factor);
  if (result.kind == RopeKind::linear || result.kind == RopeKind::dynamic) return;
  result.original_max_position_embeddings = max_position_embeddings;
  if (rope.find_value("original_max_position_embeddings") != nullptr)
    result.original_max_position_embeddings = rope.integer(
        "original_max_position_embeddings", max_position_embeddings, 1, largest_context);
  if (result.kind == RopeKind::llama3) parse_llama3(rope, result);
  if (result.kind == RopeKind::yarn) parse_yarn(rope, result);
}

/// One spelling's object: `rope_scaling` or `rope_parameters`.
Rope parse_object(const Json& object, const std::string& key, const Fields& fields,
                  std::int64_t max_position_embeddings, double theta) {
  const Fields rope(object, fields.name(), key + ".");
  for (const auto& [inner, value] : object.items())
    if (value.is_object())
      rope.refuse(inner,
                  "one set of rope parameters for all layers; a set a layer kind is not "
                  "supported");
  if (rope.number("partial_rotary_factor", 1, 0, 1) != 1.0)
    rope.refuse("partial_rotary_factor", "1, the whole head is rotated");
  Rope result;
  result.theta = rope.number("rope_theta", theta, 1.0 + 1e-9, largest_theta);
  result.kind = parse_kind(rope);
  parse_scaling(rope, max_position_embeddings, result);
  return result;
}

}  // namespace

std::string_view name_of(RopeKind kind) {
  for (const auto& [name, known] : kinds)
    if (known == kind) return name;
  return "";
}

Rope parse_rope(const Json& config, const Fields& fields, std::int64_t max_position_embeddings) {
  if (fields.number("partial_rotary_factor", 1, 0, 1) != 1.0)
    fields.refuse("partial_rotary_factor", "1, the whole head is rotated");
  const Json* scaling = fields.find_value("rope_scaling");
  const Json* parameters = fields.find_value("rope_parameters");
  const double theta = fields.number("rope_theta", 10000.0, 1.0 + 1e-9, largest_theta);
  Rope result;
  result.theta = theta;
  if (scaling != nullptr)
    result = parse_object(*scaling, "rope_scaling", fields, max_position_embeddings, theta);
  if (parameters != nullptr) {
    const Rope newer =
        parse_object(*parameters, "rope_parameters", fields, max_position_embeddings, theta);
    const bool has_older = scaling != nullptr || config.contains("rope_theta");
    if (has_older && result != newer)
      fields.refuse_because(
          "'rope_parameters' and 'rope_theta' with 'rope_scaling' describe two different rotary "
          "embeddings; transformers 5.x reads the first, 4.x the others. Correct one of them");
    result = newer;
  }
  const Json* outer = fields.find_value("original_max_position_embeddings");
  const bool uses_original = result.kind == RopeKind::llama3 || result.kind == RopeKind::yarn;
  if (outer != nullptr && uses_original && *outer != result.original_max_position_embeddings)
    fields.refuse("original_max_position_embeddings",
                  "the same as inside the rope parameters, " +
                      std::to_string(result.original_max_position_embeddings) +
                      " (transformers 4.x and 5.x would load two different models)");
  return result;
}

}  // namespace fg::arch
