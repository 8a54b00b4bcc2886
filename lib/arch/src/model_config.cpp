#include "fg/arch/model_config.hpp"

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include <fg/base/failpoint.hpp>
#include <fg/base/nearest.hpp>

#include "fields.hpp"
#include "rope.hpp"

namespace fg::arch {
namespace {

constexpr std::int64_t most_rows = std::int64_t{1} << 24;
constexpr std::int64_t most_columns = std::int64_t{1} << 20;
constexpr std::int64_t most_layers = 4096;
constexpr std::int64_t most_heads = 16384;
constexpr std::int64_t longest_head = 8192;
constexpr std::int64_t longest_context = std::int64_t{1} << 40;

/// What transformers assumes where config.json is silent (the same in 4.57 and 5.17).
struct FamilyDefaults {
  Family family;
  std::string_view model_type;
  std::string_view architecture;
  std::int64_t vocab_size;
  std::int64_t intermediate_size;
  std::optional<std::int64_t> kv_heads;  // nothing: as many as heads
  std::optional<std::int64_t> head_dim;  // nothing: hidden_size / heads
  std::int64_t max_position_embeddings;
  std::optional<std::int64_t> bos_token_id;
  std::optional<std::int64_t> eos_token_id;
};

constexpr std::array<FamilyDefaults, 4> families = {{
    {Family::llama, "llama", "LlamaForCausalLM", 32000, 11008, std::nullopt, std::nullopt, 2048, 1,
     2},
    {Family::mistral, "mistral", "MistralForCausalLM", 32000, 14336, 8, std::nullopt, 131072, 1, 2},
    {Family::qwen2, "qwen2", "Qwen2ForCausalLM", 151936, 22016, 32, std::nullopt, 32768,
     std::nullopt, std::nullopt},
    {Family::qwen3, "qwen3", "Qwen3ForCausalLM", 151936, 22016, 32, 128, 32768, std::nullopt,
     std::nullopt},
}};

const FamilyDefaults& defaults_of(Family family) {
  return families[static_cast<std::size_t>(family)];
}

/// The entry whose `member` is `word`, or a refusal that lists the known ones.
const FamilyDefaults& find_family(const Fields& fields, std::string_view key,
                                  std::string_view FamilyDefaults::*member,
                                  const std::string& word) {
  std::string allowed;
  std::vector<std::string> known;
  for (const FamilyDefaults& family : families) {
    if (word == family.*member) return family;
    known.emplace_back(family.*member);
    allowed += (allowed.empty() ? "" : ", ") + known.back();
  }
  fields.refuse(key, allowed + did_you_mean(word, known));
}

const FamilyDefaults& parse_family(const Fields& fields) {
  const Json* architectures = fields.find_value("architectures");
  const Json* model_type = fields.find_value("model_type");
  if (architectures == nullptr && model_type == nullptr)
    fields.refuse("architectures", "[\"LlamaForCausalLM\"] or another architecture that fg knows");
  const FamilyDefaults* family = nullptr;
  if (architectures != nullptr) {
    if (!architectures->is_array() || architectures->size() != 1 ||
        !(*architectures)[0].is_string())
      fields.refuse("architectures", "a list of one name, for example [\"LlamaForCausalLM\"]");
    family = &find_family(fields, "architectures", &FamilyDefaults::architecture,
                          (*architectures)[0].get<std::string>());
  }
  if (model_type != nullptr) {
    const FamilyDefaults& named = find_family(fields, "model_type", &FamilyDefaults::model_type,
                                              fields.text("model_type", ""));
    if (family != nullptr && family->family != named.family)
      fields.refuse("model_type", std::string(family->model_type) +
                                      ", since 'architectures' says " +
                                      std::string(family->architecture));
    family = &named;
  }
  return *family;
}

/// Keys that change what the model computes, or ask to run code, in ways fg does not know.
void refuse_unknown_kinds(const Fields& fields) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 13> refused = {{
      {"quantization_config", "none, a model in float16, bfloat16 or float32"},
      {"compression_config", "none, a model in float16, bfloat16 or float32"},
      {"auto_map", "none; fg never runs code that comes with a model"},
      {"num_experts", "none; mixtures of experts are not supported"},
      {"num_local_experts", "none; mixtures of experts are not supported"},
      {"num_experts_per_tok", "none; mixtures of experts are not supported"},
      {"n_routed_experts", "none; mixtures of experts are not supported"},
      {"moe_intermediate_size", "none; mixtures of experts are not supported"},
      {"vision_config", "none; only text models are supported"},
      {"audio_config", "none; only text models are supported"},
      {"text_config", "none; only plain text models are supported"},
      {"is_encoder_decoder", "false; only decoders are supported"},
      {"add_cross_attention", "false; only decoders are supported"},
  }};
  for (const auto& [key, allowed] : refused) {
    const Json* value = fields.find_value(key);
    if (value == nullptr || *value == false) continue;
    fields.refuse(key, std::string(allowed));
  }
  const Json* activation = fields.find("hidden_act");
  if (activation != nullptr && *activation != "silu") fields.refuse("hidden_act", "silu");
}

void parse_heads(const Fields& fields, const FamilyDefaults& family, ModelConfig& config) {
  config.heads = fields.integer("num_attention_heads", 32, 1, most_heads);
  config.kv_heads = fields
                        .maybe_integer("num_key_value_heads",
                                       family.kv_heads.value_or(config.heads), 1, most_heads)
                        .value_or(config.heads);
  if (config.heads % config.kv_heads != 0)
    fields.refuse_because("'num_attention_heads' is " + std::to_string(config.heads) +
                          "; allowed: a multiple of num_key_value_heads, which is " +
                          std::to_string(config.kv_heads));
  const bool null_width = fields.find("head_dim") != nullptr && !fields.find_value("head_dim");
  if (family.head_dim && null_width) fields.refuse("head_dim", "an integer");
  const std::optional<std::int64_t> given =
      fields.maybe_integer("head_dim", family.head_dim, 2, longest_head);
  if (!given && config.hidden_size % config.heads != 0)
    fields.refuse_because("'hidden_size' is " + std::to_string(config.hidden_size) +
                          "; allowed without 'head_dim': a multiple of num_attention_heads, "
                          "which is " +
                          std::to_string(config.heads));
  config.head_dim = given.value_or(config.hidden_size / config.heads);
  if (config.head_dim < 2 || config.head_dim > longest_head || config.head_dim % 2 != 0)
    fields.refuse_because("the head dimension is " + std::to_string(config.head_dim) +
                          (given ? " ('head_dim')" : " (hidden_size / num_attention_heads)") +
                          "; allowed: an even number from 2 to " + std::to_string(longest_head));
}

void parse_biases(const Fields& fields, ModelConfig& config) {
  // Mistral's code has no biases and Qwen2's always has them, whatever the file says.
  const bool asked = fields.boolean("attention_bias", false);
  const bool obeys = config.family == Family::llama || config.family == Family::qwen3;
  config.qkv_bias = config.family == Family::qwen2 || (obeys && asked);
  config.output_bias = obeys && asked;
  config.mlp_bias = config.family == Family::llama && fields.boolean("mlp_bias", false);
  config.qk_norm = config.family == Family::qwen3;
}

/// Entries of `layer_types`, true for a windowed layer; nothing where the key is absent.
std::optional<std::vector<bool>> parse_layer_types(const Fields& fields, std::int64_t layers) {
  const Json* list = fields.find_value("layer_types");
  if (list == nullptr) return std::nullopt;
  if (!list->is_array() || list->size() != static_cast<std::size_t>(layers))
    fields.refuse("layer_types", "a list of " + std::to_string(layers) +
                                     " names, one a layer (num_hidden_layers)");
  std::vector<bool> result;
  for (const Json& entry : *list) {
    if (entry != "full_attention" && entry != "sliding_attention")
      fields.refuse_because("'layer_types' has " + shown(entry) +
                            "; allowed: full_attention, sliding_attention");
    result.push_back(entry == "sliding_attention");
  }
  return result;
}

void parse_windows(const Fields& fields, ModelConfig& config) {
  const auto layers = static_cast<std::size_t>(config.layers);
  const std::optional<std::vector<bool>> types = parse_layer_types(fields, config.layers);
  std::optional<std::int64_t> window;
  std::int64_t first_windowed = 0;
  if (config.family != Family::llama)
    window = fields.maybe_integer("sliding_window", 4096, 1, longest_context);
  if (config.family == Family::qwen2 || config.family == Family::qwen3) {
    if (!fields.boolean("use_sliding_window", false)) window = std::nullopt;
    first_windowed = fields.integer("max_window_layers", 28, 0, INT64_MAX);
  }
  config.windowed.assign(layers, false);
  for (std::size_t layer = 0; window && layer < layers; ++layer)
    config.windowed[layer] = static_cast<std::int64_t>(layer) >= first_windowed;
  if (types) {
    const bool obeys = config.family == Family::qwen2 || config.family == Family::qwen3;
    if (!obeys && *types != config.windowed)
      fields.refuse("layer_types", "none, " + std::string(architecture_of(config.family)) +
                                       " has the same attention in every layer");
    for (std::size_t layer = 0; layer < layers; ++layer)
      if ((*types)[layer] && !window)
        fields.refuse_because("'layer_types' makes layer " + std::to_string(layer) +
                              " sliding_attention, but there is no window: set "
                              "use_sliding_window and sliding_window");
    config.windowed = *types;
  }
  for (const bool has_window : config.windowed)
    if (has_window) config.sliding_window = window;
}

std::optional<store::Dtype> parse_stored_dtype(const Fields& fields) {
  // Where both are given, transformers takes the newer one.
  const char* key = fields.find_value("dtype") != nullptr ? "dtype" : "torch_dtype";
  const Json* value = fields.find_value(key);
  if (value == nullptr) return std::nullopt;
  const std::string allowed = "bfloat16, float16, float32, float64";
  if (!value->is_string()) fields.refuse(key, allowed);
  const std::optional<store::Dtype> dtype = store::parse_dtype(value->get<std::string>());
  if (!dtype || !store::is_floating(*dtype)) fields.refuse(key, allowed);
  return dtype;
}

void parse_token_ids(const Fields& fields, const FamilyDefaults& family, ModelConfig& config) {
  const std::int64_t last = config.vocab_size - 1;
  config.bos_token_id = fields.maybe_integer("bos_token_id", family.bos_token_id, 0, last);
  const Json* pad = fields.find("pad_token_id");
  // Some checkpoints say -1 for "none".
  if (pad == nullptr || *pad != -1)
    config.pad_token_id = fields.maybe_integer("pad_token_id", std::nullopt, 0, last);
  const Json* eos = fields.find_value("eos_token_id");
  if (eos == nullptr || !eos->is_array()) {
    const auto one = fields.maybe_integer("eos_token_id", family.eos_token_id, 0, last);
    if (one) config.eos_token_ids = {*one};
    return;
  }
  constexpr std::size_t most = 256;
  for (const Json& id : *eos) {
    const bool fits = id.is_number_integer() && id >= 0 && id <= last;
    if (!fits || eos->size() > most)
      fields.refuse("eos_token_id", "an id from 0 to " + std::to_string(last) +
                                        " (vocab_size - 1), or a list of at most " +
                                        std::to_string(most) + " of them");
    config.eos_token_ids.push_back(id.get<std::int64_t>());
  }
}

}  // namespace

std::string_view model_type_of(Family family) {
  return defaults_of(family).model_type;
}
std::string_view architecture_of(Family family) {
  return defaults_of(family).architecture;
}

ModelConfig parse_model_config(const Json& config, const std::string& name) {
  const Fields fields(config, name);
  const FamilyDefaults& family = parse_family(fields);
  refuse_unknown_kinds(fields);
  ModelConfig result;
  result.family = family.family;
  result.vocab_size = fields.integer("vocab_size", family.vocab_size, 1, most_rows);
  result.hidden_size = fields.integer("hidden_size", 4096, 1, most_columns);
  result.intermediate_size =
      fields.integer("intermediate_size", family.intermediate_size, 1, most_columns * 4);
  const bool unbounded = fault_planted("arch.layers_not_bounded");
  result.layers = fields.integer("num_hidden_layers", 32, 1, unbounded ? INT64_MAX : most_layers);
  parse_heads(fields, family, result);
  result.max_position_embeddings =
      fields.integer("max_position_embeddings", family.max_position_embeddings, 1, longest_context);
  result.rms_norm_eps = fields.number("rms_norm_eps", 1e-6, 0, 1);
  result.initializer_range = fields.number("initializer_range", 0.02, 0, 1);
  result.rope = parse_rope(config, fields, result.max_position_embeddings);
  parse_biases(fields, result);
  result.tied = fields.boolean("tie_word_embeddings", false);
  parse_windows(fields, result);
  result.dtype = parse_stored_dtype(fields);
  parse_token_ids(fields, family, result);
  return result;
}

}  // namespace fg::arch
