#pragma once

#include <fg/arch/model_config.hpp>

namespace fg::test {

/// A model of each family that computes in milliseconds: odd vocabulary, grouped queries, two
/// layers. Mistral has a window of 6 tokens, Qwen3 ties its head, Qwen2 windows only its second
/// layer.
inline arch::ModelConfig tiny_config(arch::Family family) {
  arch::ModelConfig config;
  config.family = family;
  config.vocab_size = 101;
  config.hidden_size = 24;
  config.intermediate_size = 40;
  config.layers = 2;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = family == arch::Family::qwen3 ? 8 : 6;
  config.max_position_embeddings = 64;
  config.rms_norm_eps = 1e-5;
  config.initializer_range = 0.2;
  config.rope.theta = 100.0;
  config.windowed = {false, false};
  if (family == arch::Family::mistral) {
    config.sliding_window = 6;
    config.windowed = {true, true};
  }
  if (family == arch::Family::qwen2) {
    config.qkv_bias = true;
    config.sliding_window = 5;
    config.windowed = {false, true};
  }
  if (family == arch::Family::qwen3) {
    config.qk_norm = true;
    config.tied = true;
  }
  return config;
}

}  // namespace fg::test
