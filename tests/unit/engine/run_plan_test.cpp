#include <gtest/gtest.h>

#include <fg/engine/run_plan.hpp>

#include "../data/tiny_model.hpp"

namespace fg::engine {
namespace {

/// A pipeline of two ranks whose tied ends differ in size, on the CPU in bfloat16, without data.
class TiedPipeline {
public:
  TiedPipeline() {
    const Json config{{"architectures", Json::array({"LlamaForCausalLM"})},
                      {"model_type", "llama"},
                      {"vocab_size", 512},
                      {"hidden_size", 64},
                      {"intermediate_size", 128},
                      {"num_hidden_layers", 8},
                      {"num_attention_heads", 2},
                      {"num_key_value_heads", 2},
                      {"max_position_embeddings", 64},
                      {"rms_norm_eps", 1e-5},
                      {"tie_word_embeddings", true}};
    write_synced(folder_ / "config.json", config.dump());
  }

  RunPlan plan(int rank, std::uint64_t least_available) const {
    return make_plan(settings(rank, least_available), MissingData::go_on);
  }

  std::string gradients_fact(int rank, std::uint64_t least_available) const {
    return fact("gradients", settings(rank, least_available));
  }

  std::string order_fact(schedule::Kind kind) const {
    RunSettings settings = this->settings(0, std::uint64_t{1} << 40);
    settings.parallel.schedule = kind;
    return fact("plan", settings);
  }

private:
  static std::string fact(const std::string& name, const RunSettings& settings) {
    for (const session::Fact& fact : facts_of(settings, make_plan(settings, MissingData::go_on)))
      if (fact.name == name) return fact.value;
    return "";
  }

  RunSettings settings(int rank, std::uint64_t least_available) const {
    RunSettings settings;
    settings.world.rank = rank;
    settings.world.ranks = 2;
    settings.available_bytes = least_available + static_cast<std::uint64_t>(rank);
    settings.least_available_bytes = least_available;
    settings.parallel.trainer = TrainerKind::pipeline;
    settings.parallel.split = {1, 7};
    settings.model.config = folder_.path();
    settings.model.tokenizer = tokenizer_.path();
    settings.model.dtype = store::Dtype::bfloat16;
    settings.data.train.seq_len = 32;
    settings.data.train.sources = {
        {.path = folder_ / "none.jsonl", .weight = 1.0, .format = {}, .split = {}}};
    settings.batch.global_rows = 4;
    settings.length.max_steps = 1;
    settings.optimizer.settings = {{"type", std::string("adafactor")}};
    return settings;
  }

  test::TinyModel tokenizer_;
  test::TemporaryFolder folder_;
};

TEST(RunPlan, TellsTheOthersInWhatOrderItsStepGoes) {
  const TiedPipeline the;
  const std::string order = the.order_fact(schedule::Kind::one_forward_one_backward);
  EXPECT_EQ(order.size(), 16u);
  EXPECT_NE(the.order_fact(schedule::Kind::gpipe), order);
  EXPECT_EQ(the.order_fact(schedule::Kind::one_forward_one_backward), order);
}

TEST(RunPlan, KeepsGradientsOfOneTypeWhereOneEndAloneLacksTheMemory) {
  const TiedPipeline the;
  const std::uint64_t plenty = std::uint64_t{1} << 40;
  const auto all = the.plan(0, plenty).memory_of_rank;
  ASSERT_EQ(all.size(), 2u);
  const auto small = static_cast<std::uint64_t>(all[0].total());
  const auto large = static_cast<std::uint64_t>(all[1].total());
  ASSERT_GT(large, small + (1 << 19));
  for (const int rank : {0, 1}) {
    EXPECT_EQ(the.plan(rank, large).kept, at::kFloat);
    EXPECT_EQ(the.plan(rank, (small + large) / 2).kept, at::kBFloat16) << rank;
    EXPECT_EQ(the.gradients_fact(rank, plenty), "Float");
    EXPECT_EQ(the.gradients_fact(rank, (small + large) / 2), "BFloat16") << rank;
  }
}

}  // namespace
}  // namespace fg::engine
