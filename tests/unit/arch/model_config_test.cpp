#include <limits>

#include <gtest/gtest.h>

#include <fg/arch/model_config.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::arch {
namespace {

Json llama() {
  return Json{{"architectures", {"LlamaForCausalLM"}}, {"model_type", "llama"}};
}

Json with(Json config, const char* key, Json value) {
  config[key] = std::move(value);
  return config;
}

void expect_refused(const Json& config, const std::string& part) {
  test::expect_error(ExitCode::cannot_load, part, [&] { parse_model_config(config, "c.json"); });
}

TEST(ModelConfig, TakesTransformersDefaultsWhereTheFileIsSilent) {
  const ModelConfig config = parse_model_config(llama(), "c.json");

  EXPECT_EQ(config.vocab_size, 32000);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.kv_heads, 32);
  EXPECT_EQ(config.max_position_embeddings, 2048);
  EXPECT_EQ(config.rope.theta, 10000.0);
  EXPECT_EQ(config.eos_token_ids, std::vector<std::int64_t>{2});
  EXPECT_FALSE(config.tied);
  EXPECT_FALSE(config.dtype.has_value());
}

TEST(ModelConfig, KnowsEachFamilyByArchitectureOrType) {
  const ModelConfig qwen3 = parse_model_config(Json{{"model_type", "qwen3"}}, "c.json");
  const ModelConfig qwen2 =
      parse_model_config(Json{{"architectures", {"Qwen2ForCausalLM"}}}, "c.json");
  const ModelConfig mistral = parse_model_config(Json{{"model_type", "mistral"}}, "c.json");

  EXPECT_EQ(qwen3.head_dim, 128);
  EXPECT_TRUE(qwen3.qk_norm);
  EXPECT_TRUE(qwen2.qkv_bias);
  EXPECT_FALSE(qwen2.output_bias);
  EXPECT_EQ(mistral.kv_heads, 8);
  EXPECT_EQ(mistral.sliding_window, 4096);
}

TEST(ModelConfig, ReadsRopeInBothSpellings) {
  const Json older = with(with(llama(), "rope_theta", 5e5), "rope_scaling",
                          Json{{"factor", 32.0},
                               {"high_freq_factor", 4.0},
                               {"low_freq_factor", 1.0},
                               {"original_max_position_embeddings", 8192},
                               {"rope_type", "llama3"}});
  Json parameters = older["rope_scaling"];
  parameters["rope_theta"] = 5e5;
  const Json newer = with(llama(), "rope_parameters", parameters);

  const Rope rope = parse_model_config(older, "c.json").rope;

  EXPECT_EQ(rope.kind, RopeKind::llama3);
  EXPECT_EQ(rope.theta, 5e5);
  EXPECT_EQ(rope.factor, 32.0);
  EXPECT_EQ(rope.original_max_position_embeddings, 8192);
  EXPECT_EQ(parse_model_config(newer, "c.json").rope, rope);
}

TEST(ModelConfig, RefusesSpellingsThatDisagree) {
  expect_refused(with(with(llama(), "rope_theta", 1e4), "rope_parameters",
                      Json{{"rope_theta", 2e4}, {"rope_type", "default"}}),
                 "two different rotary embeddings");
  expect_refused(with(llama(), "rope_scaling",
                      Json{{"type", "linear"}, {"rope_type", "dynamic"}, {"factor", 2}}),
                 "'rope_scaling.type' is \"linear\"");
  expect_refused(with(llama(), "model_type", "mistral"),
                 "'model_type' is \"mistral\"; allowed: llama");
}

TEST(ModelConfig, MakesWindowsAsTheFamilyDoes) {
  Json config{{"model_type", "qwen2"},
              {"num_hidden_layers", 4},
              {"use_sliding_window", true},
              {"sliding_window", 16},
              {"max_window_layers", 3}};

  EXPECT_EQ(parse_model_config(config, "c.json").windowed,
            (std::vector<bool>{false, false, false, true}));
  config["layer_types"] =
      Json::array({"sliding_attention", "full_attention", "full_attention", "sliding_attention"});
  EXPECT_EQ(parse_model_config(config, "c.json").windowed,
            (std::vector<bool>{true, false, false, true}));
  config["use_sliding_window"] = false;
  expect_refused(config, "there is no window");
}

TEST(ModelConfig, RefusesWhatItDoesNotKnowByName) {
  expect_refused(with(llama(), "architectures", {"LlamaForCausalML"}),
                 "did you mean 'LlamaForCausalLM'?");
  expect_refused(Json{{"model_type", "gemma"}}, "'model_type' is \"gemma\"");
  expect_refused(Json::object(), "'architectures' is missing");
  expect_refused(with(llama(), "hidden_act", "gelu"), "'hidden_act' is \"gelu\"; allowed: silu");
  expect_refused(with(llama(), "num_local_experts", 8), "mixtures of experts");
  expect_refused(with(llama(), "quantization_config", Json{{"bits", 4}}), "quantization_config");
  expect_refused(with(llama(), "auto_map", Json{{"AutoConfig", "x.Y"}}), "never runs code");
  expect_refused(with(llama(), "rope_scaling", Json{{"rope_type", "longrope"}, {"factor", 2.0}}),
                 "'rope_scaling.rope_type' is \"longrope\"");
  expect_refused(with(llama(), "partial_rotary_factor", 0.5), "partial_rotary_factor");
  expect_refused(with(llama(), "torch_dtype", "int8"), "'torch_dtype' is \"int8\"");
}

TEST(ModelConfig, RefusesAbsurdValuesBeforeItAllocates) {
  expect_refused(with(llama(), "num_hidden_layers", 1000000000),
                 "c.json: 'num_hidden_layers' is 1000000000; allowed: an integer from 1 to 4096");
  expect_refused(with(llama(), "head_dim", 0), "'head_dim' is 0; allowed");
  expect_refused(with(llama(), "head_dim", 63), "even number");
  expect_refused(with(llama(), "vocab_size", -5), "'vocab_size' is -5");
  expect_refused(with(llama(), "vocab_size", 32000.5), "'vocab_size' is 32000.5");
  expect_refused(with(llama(), "vocab_size", std::numeric_limits<std::uint64_t>::max()),
                 "vocab_size");
  expect_refused(with(llama(), "num_key_value_heads", 5), "a multiple of num_key_value_heads");
  expect_refused(with(llama(), "hidden_size", 4095), "a multiple of num_attention_heads");
  expect_refused(with(llama(), "rope_theta", std::numeric_limits<double>::quiet_NaN()),
                 "rope_theta");
  expect_refused(with(llama(), "rope_theta", "many"), "'rope_theta' is \"many\"");
  expect_refused(with(llama(), "eos_token_id", {2, 32000}), "eos_token_id");
  expect_refused(with(llama(), "rope_scaling", Json{{"type", "linear"}}),
                 "'rope_scaling.factor' is missing");
  expect_refused(with(llama(), "rope_scaling", 3), "a JSON object is wanted");
  expect_refused(Json::array(), "a JSON object is wanted");
}

TEST(ModelConfig, TakesHarmlessOddities) {
  Json config = llama();
  config["pretraining_tp"] = 2;
  config["pad_token_id"] = -1;
  config["rope_scaling"] = nullptr;
  config["eos_token_id"] = nullptr;

  const ModelConfig parsed = parse_model_config(config, "c.json");

  EXPECT_FALSE(parsed.pad_token_id.has_value());
  EXPECT_TRUE(parsed.eos_token_ids.empty());
}

}  // namespace
}  // namespace fg::arch
