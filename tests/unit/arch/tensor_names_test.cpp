#include <algorithm>

#include <gtest/gtest.h>

#include <fg/arch/tensor_names.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::arch {
namespace {

using store::Dtype;
using store::TensorInfo;

ModelConfig tiny(const char* model_type, Json more = Json::object()) {
  Json config{{"model_type", model_type}, {"vocab_size", 10},       {"hidden_size", 8},
              {"intermediate_size", 12},  {"num_hidden_layers", 2}, {"num_attention_heads", 4},
              {"num_key_value_heads", 2}, {"head_dim", 6}};
  config.update(more);
  return parse_model_config(config, "c");
}

const TensorInfo* find(const std::vector<TensorInfo>& tensors, const std::string& name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const TensorInfo& tensor) { return tensor.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

TEST(TensorNames, HaveTheShapesOfTheModel) {
  const std::vector<TensorInfo> tensors = expected_tensors(tiny("llama"), Dtype::bfloat16);

  using Shape = std::vector<std::uint64_t>;
  EXPECT_EQ(tensors.size(), 3U + 2 * 9);
  EXPECT_EQ(find(tensors, "model.embed_tokens.weight")->shape, (Shape{10, 8}));
  EXPECT_EQ(find(tensors, "model.layers.1.self_attn.q_proj.weight")->shape, (Shape{24, 8}));
  EXPECT_EQ(find(tensors, "model.layers.1.self_attn.k_proj.weight")->shape, (Shape{12, 8}));
  EXPECT_EQ(find(tensors, "model.layers.1.self_attn.o_proj.weight")->shape, (Shape{8, 24}));
  EXPECT_EQ(find(tensors, "model.layers.0.mlp.down_proj.weight")->shape, (Shape{8, 12}));
  EXPECT_EQ(find(tensors, "lm_head.weight")->shape, (Shape{10, 8}));
}

TEST(TensorNames, FollowBiasesNormsAndTying) {
  const auto qwen2 = expected_tensors(tiny("qwen2"), Dtype::float32);
  const auto qwen3 = expected_tensors(tiny("qwen3"), Dtype::float32);
  const auto llama = expected_tensors(
      tiny("llama", {{"attention_bias", true}, {"mlp_bias", true}, {"tie_word_embeddings", true}}),
      Dtype::float32);

  EXPECT_NE(find(qwen2, "model.layers.0.self_attn.v_proj.bias"), nullptr);
  EXPECT_EQ(find(qwen2, "model.layers.0.self_attn.o_proj.bias"), nullptr);
  EXPECT_EQ(find(qwen3, "model.layers.0.self_attn.q_norm.weight")->shape,
            std::vector<std::uint64_t>{6});
  EXPECT_NE(find(llama, "model.layers.0.self_attn.o_proj.bias"), nullptr);
  EXPECT_NE(find(llama, "model.layers.0.mlp.down_proj.bias"), nullptr);
  EXPECT_EQ(find(llama, "lm_head.weight"), nullptr);
}

TEST(TensorCheck, PassesExactlyTheExpectedTensors) {
  const ModelConfig config = tiny("mistral");

  const TensorCheck check = check_tensors(config, expected_tensors(config, Dtype::float16));

  EXPECT_TRUE(check.passed());
  EXPECT_NO_THROW(require_tensors(check, "m"));
}

TEST(TensorCheck, NamesWhatIsWrong) {
  const ModelConfig config = tiny("llama");
  std::vector<TensorInfo> tensors = expected_tensors(config, Dtype::float16);
  tensors.erase(tensors.begin() + 1);
  tensors[1].shape = {3, 4};
  tensors[2].dtype = Dtype::int64;
  tensors.push_back({"model.layers.2.mlp.up_proj.weight", Dtype::float16, {12, 8}});

  const TensorCheck check = check_tensors(config, tensors);

  EXPECT_EQ(check.missing.size(), 1U);
  EXPECT_EQ(check.unexpected.size(), 1U);
  EXPECT_EQ(check.wrong_shape.size(), 2U);
  test::expect_error(ExitCode::cannot_load, "is [3, 4], not [24, 8]",
                     [&] { require_tensors(check, "m"); });
}

TEST(TensorCheck, LeavesOutHarmlessExtras) {
  const ModelConfig config = tiny("llama", {{"tie_word_embeddings", true}});
  std::vector<TensorInfo> tensors = expected_tensors(config, Dtype::float16);
  tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", Dtype::float32, {3}});
  tensors.push_back({"lm_head.weight", Dtype::float16, {10, 8}});

  const TensorCheck check = check_tensors(config, tensors);

  EXPECT_TRUE(check.passed());
  EXPECT_EQ(check.dropped.size(), 1U);
  EXPECT_TRUE(check.has_tied_head);
}

TEST(TensorCheck, RefusesABaseModelSavedWithoutItsHead) {
  const ModelConfig config = tiny("llama");
  std::vector<TensorInfo> tensors = expected_tensors(config, Dtype::float16);
  tensors.pop_back();
  for (TensorInfo& tensor : tensors) tensor.name.erase(0, 6);

  test::expect_error(ExitCode::cannot_load, "lack the 'model.' prefix (embed_tokens.weight",
                     [&] { require_tensors(check_tensors(config, tensors), "m"); });
}

}  // namespace
}  // namespace fg::arch
