#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fg/base/json.hpp>
#include <fg/store/tensor_file.hpp>

namespace fg::arch {

/// The model families fg knows, each one decoder-only architecture of Hugging Face transformers.
enum class Family : std::uint8_t { llama, mistral, qwen2, qwen3 };

/// "llama", the `model_type` of config.json.
std::string_view model_type_of(Family family);
/// "LlamaForCausalLM", the entry of `architectures`.
std::string_view architecture_of(Family family);

enum class RopeKind : std::uint8_t { standard, linear, dynamic, llama3, yarn };

/// "default", "linear", ...: the `rope_type` of config.json.
std::string_view name_of(RopeKind kind);

/// Rotary embedding: inverse frequencies theta^(-2i/head_dim), then scaled as `kind` says. Members
/// that the kind does not use keep their defaults. Meanings are those of transformers'
/// modeling_rope_utils.
struct Rope {
  RopeKind kind = RopeKind::standard;
  double theta = 10000.0;
  double factor = 1.0;                                // all but standard
  std::int64_t original_max_position_embeddings = 0;  // llama3, yarn
  double low_freq_factor = 1.0;                       // llama3
  double high_freq_factor = 4.0;                      // llama3
  std::optional<double> attention_factor;             // yarn; nothing: derived from factor, mscale
  double beta_fast = 32.0;                            // yarn
  double beta_slow = 1.0;                             // yarn
  std::optional<double> mscale;                       // yarn
  std::optional<double> mscale_all_dim;               // yarn
  bool truncate = true;                               // yarn

  friend bool operator==(const Rope&, const Rope&) = default;
};

/// What config.json says of a model, with transformers' defaults where it is silent.
struct ModelConfig {
  Family family = Family::llama;
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  double initializer_range = 0.02;
  Rope rope;
  bool qkv_bias = false;     // q_proj, k_proj, v_proj have biases
  bool output_bias = false;  // o_proj has one
  bool mlp_bias = false;
  bool qk_norm = false;  // an RMSNorm over each head of q and k
  bool tied = false;     // the head is the embedding
  /// The window, if any layer has one; `windowed[i]` says whether layer i does.
  std::optional<std::int64_t> sliding_window;
  std::vector<bool> windowed;
  std::optional<store::Dtype> dtype;  // as the file says; nothing where it is silent
  std::optional<std::int64_t> bos_token_id;
  std::vector<std::int64_t> eos_token_ids;  // a scalar is a list of one
  std::optional<std::int64_t> pad_token_id;

  friend bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

/// Reads config.json in the spelling of transformers 4.x (rope_theta and rope_scaling,
/// torch_dtype), of 5.x (rope_parameters, dtype) or both. Whatever would change the model's
/// mathematics and is not known here is refused by name, and so is every value that cannot be;
/// nothing is allocated before its size has been checked. `name` begins every message.
/// Error(cannot_load).
ModelConfig parse_model_config(const Json& config, const std::string& name);

}  // namespace fg::arch
