#pragma once

#include <filesystem>

#include <fg/arch/model_config.hpp>
#include <fg/base/file.hpp>
#include <fg/model/model.hpp>
#include <fg/params/initialise.hpp>
#include <fg/params/weights.hpp>
#include <fg/store/safetensors.hpp>

#include "../text/tiny_tokenizer.hpp"

namespace fg::test {

/// The config.json of a model of two layers for the tokenizer `tiny_llama`.
inline Json tiny_config() {
  return {{"architectures", Json::array({"LlamaForCausalLM"})},
          {"model_type", "llama"},
          {"vocab_size", 280},
          {"hidden_size", 16},
          {"intermediate_size", 24},
          {"num_hidden_layers", 2},
          {"num_attention_heads", 2},
          {"num_key_value_heads", 1},
          {"max_position_embeddings", 600},
          {"rms_norm_eps", 1e-5},
          {"tie_word_embeddings", false},
          {"bos_token_id", 1},
          {"eos_token_id", 2}};
}

/// With weights so wide that every token matters.
inline model::Model tiny_model(const Json& config = tiny_config()) {
  model::Model model(arch::parse_model_config(config, "config.json"), at::kFloat);
  params::initialise(model.parameters(), 3, 0.6);
  return model;
}

/// A model folder with that model and the tokenizer `tiny_llama`.
inline void write_tiny_model(const std::filesystem::path& folder) {
  write_synced(folder / "config.json", tiny_config().dump());
  write_synced(folder / "tokenizer.json", tiny_llama().dump());
  write_synced(folder / "tokenizer_config.json",
               Json{{"bos_token", "<s>"}, {"eos_token", "</s>"}}.dump());
  const model::Model model = tiny_model();
  const auto writer = store::create_safetensors(
      folder / "model.safetensors",
      params::tensor_infos(model.parameters().layout(), store::Dtype::float32));
  params::save(model.parameters(), *writer);
  writer->finish();
}

}  // namespace fg::test
