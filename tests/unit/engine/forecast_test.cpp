#include <gtest/gtest.h>

#include <fg/engine/forecast.hpp>
#include <fg/engine/updater.hpp>
#include <fg/model/memory.hpp>
#include <fg/model/model.hpp>
#include <fg/optim/optimizer_set.hpp>
#include <fg/params/gradients.hpp>
#include <fg/test/tiny_config.hpp>

namespace fg::engine {
namespace {

optim::Assignments assignments_of(const params::Layout& layout) {
  return optim::assign_groups({{"type", std::string("adamw")}}, {},
                              parameters_of(layout, at::kFloat));
}

struct Case {
  arch::ModelConfig config = test::tiny_config(arch::Family::llama);
  params::Layout layout = params::plan_layout(config, params::whole(config));
  optim::Assignments optimizer = assignments_of(layout);

  MemoryQuestion question() const {
    return {.config = config,
            .layout = layout,
            .policies = {.kept = config.layers},
            .microbatch_tokens = 100,
            .optimizer = optimizer};
  }
};

TEST(Forecast, CountsWhatParametersGradientsAndStateReallyTake) {
  const Case the;
  MemoryQuestion question = the.question();
  question.kept = at::kFloat;
  const MemoryForecast forecast = forecast_memory(question);

  const params::Parameters parameters(the.layout, at::kFloat);
  std::int64_t weights = 0;
  for (std::size_t index = 0; index < the.layout.fused.size(); ++index)
    weights += static_cast<std::int64_t>(parameters.fused(index).nbytes());
  EXPECT_EQ(forecast.weights, weights);
  EXPECT_EQ(forecast.gradients, params::Gradients(parameters, at::kFloat).kept_bytes());
  EXPECT_EQ(forecast.optimizer,
            static_cast<std::int64_t>(optim::OptimizerSet(the.optimizer).state_bytes()));
}

TEST(Forecast, NeedsOnlyTheLargestTensorWhereGradientsAreNotKept) {
  const Case the;
  std::int64_t largest = 0;
  for (const auto& fused : the.layout.fused) largest = std::max(largest, fused.elements());

  EXPECT_EQ(forecast_memory(the.question()).gradients, largest * 4);
}

TEST(Forecast, NeedsABufferAndWhereToFormWithSeveralMicrobatches) {
  const Case the;
  MemoryQuestion one = the.question(), many = the.question();
  one.kept = many.kept = at::kFloat;
  many.microbatches = 4;

  EXPECT_GT(forecast_memory(many).gradients, forecast_memory(one).gradients);
}

TEST(Forecast, FallsWithEachLayerThatKeepsLess) {
  const Case the;
  MemoryQuestion question = the.question();
  std::int64_t before = forecast_memory(question).activations;
  for (question.policies.kept = the.config.layers - 1; question.policies.kept >= 0;
       --question.policies.kept) {
    const std::int64_t now = forecast_memory(question).activations;
    EXPECT_LT(now, before);
    before = now;
  }
}

TEST(ChoosePolicies, TakesTheOneThatIsWantedForAllLayers) {
  const Case the;
  const auto kept = choose_policies(the.question(), model::MemoryPolicy::keep, 0);
  EXPECT_EQ(kept.kept, the.config.layers);
  const auto parked = choose_policies(the.question(), model::MemoryPolicy::offload, 0);
  EXPECT_EQ(parked.kept, 0);
  EXPECT_EQ(parked.of(0), model::MemoryPolicy::offload);
}

TEST(ChoosePolicies, KeepsAsMuchAsTheBudgetHoldsAndNoMore) {
  const Case the;
  MemoryQuestion question = the.question();
  for (std::int64_t layers = 0; layers <= the.config.layers; ++layers) {
    question.policies = {.kept = layers};
    const auto budget = static_cast<std::uint64_t>(forecast_memory(question).total());
    EXPECT_EQ(choose_policies(question, {}, budget).kept, layers);
  }
}

TEST(ChoosePolicies, OffloadsOnAGpuAloneWhereCheckpointingIsTooMuch) {
  const Case the;
  MemoryQuestion question = the.question();
  EXPECT_EQ(choose_policies(question, {}, 1).others, model::MemoryPolicy::checkpoint);
  question.device = at::Device(at::kCUDA, 0);
  EXPECT_EQ(choose_policies(question, {}, 1).others, model::MemoryPolicy::offload);
  question.policies = {};
  const std::int64_t checkpointed = forecast_memory(question).total();
  EXPECT_EQ(choose_policies(question, {}, static_cast<std::uint64_t>(checkpointed)).others,
            model::MemoryPolicy::checkpoint);
}

TEST(Forecast, CountsWhatNcclKeepsOfAGpuBesideTheTensors) {
  const Case the;
  const auto mebibytes = [&](const Links& links, at::Device device) {
    MemoryQuestion question = the.question();
    question.device = device;
    question.links = links;
    const MemoryForecast forecast = forecast_memory(question);
    EXPECT_EQ(forecast.in_tensors() + forecast.links, forecast.total());
    return forecast.links >> 20;
  };
  const at::Device gpu(at::kCUDA, 0);
  EXPECT_EQ(mebibytes({}, gpu), 0);
  EXPECT_EQ(mebibytes({.sums = 1}, gpu), 486);  // a replica
  EXPECT_EQ(mebibytes({.numbers = 1, .near_ways = 4}, gpu), 42 + 4 * 150);
  EXPECT_EQ(mebibytes({.sums = 1, .numbers = 1, .far_ways = 2}, gpu), 486 + 3 * 42);
  EXPECT_EQ(mebibytes({.sums = 1}, at::kCPU), 0);
}

TEST(Forecast, IsTheSumOfItsParts) {
  const MemoryForecast forecast = forecast_memory(Case().question());
  std::int64_t sum = 0;
  for (const auto& [name, bytes] : forecast.parts()) sum += bytes;

  EXPECT_EQ(forecast.total(), sum);
  EXPECT_GT(forecast.total(), forecast.weights);
}

}  // namespace
}  // namespace fg::engine
