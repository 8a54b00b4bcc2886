#include <gtest/gtest.h>

#include <fg/engine/forecast.hpp>
#include <fg/model/memory.hpp>
#include <fg/model/model.hpp>
#include <fg/optim/optimizer_set.hpp>
#include <fg/params/gradients.hpp>
#include <fg/test/tiny_config.hpp>

namespace fg::engine {
namespace {

optim::Assignments assignments_of(const params::Layout& layout) {
  std::vector<optim::Parameter> parameters;
  for (const auto& tensor : layout.logical)
    parameters.push_back({tensor.name, tensor.shape, at::kFloat});
  return optim::assign_groups({{"type", std::string("adamw")}}, {}, parameters);
}

struct Case {
  arch::ModelConfig config = test::tiny_config(arch::Family::llama);
  params::Layout layout = params::plan_layout(config, params::whole(config));
  optim::Assignments optimizer = assignments_of(layout);

  MemoryQuestion question() const {
    return {.config = config,
            .layout = layout,
            .kept_layers = config.layers,
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
  std::vector<optim::OptimizerSet::Held> held;
  for (const auto& each : the.optimizer.of_parameters)
    held.push_back({each.parameter.name, optim::all_rows(each.parameter)});
  EXPECT_EQ(forecast.optimizer,
            static_cast<std::int64_t>(optim::OptimizerSet(the.optimizer, held).state_bytes()));
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
  for (question.kept_layers = the.config.layers - 1; question.kept_layers >= 0;
       --question.kept_layers) {
    const std::int64_t now = forecast_memory(question).activations;
    EXPECT_LT(now, before);
    before = now;
  }
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
