#include <fg/engine/forecast.hpp>

#include <algorithm>

#include <fg/model/memory.hpp>

namespace fg::engine {
namespace {

/// Thread stacks, packed operands of matrix products and the heap's loose ends: measured
/// (docs/performance.md), not derived.
constexpr std::int64_t library_bytes = 48 << 20;

std::int64_t size_of(at::ScalarType type) {
  return static_cast<std::int64_t>(c10::elementSize(type));
}

/// As params::Gradients allocates: a step's only microbatch goes straight into a buffer of the same
/// type, all others are formed apart.
std::int64_t gradient_bytes(const MemoryQuestion& question) {
  std::int64_t all = 0, largest = 0, tied = 0;
  for (const params::FusedTensor& tensor : question.layout.fused) {
    all += tensor.elements();
    if (tensor.gradient_parts > 1)
      tied += tensor.elements();
    else
      largest = std::max(largest, tensor.elements());
  }
  const std::int64_t buffer = question.kept ? all * size_of(*question.kept) : 0;
  const bool formed_in_place = question.kept == question.type && question.microbatches == 1;
  return buffer + (formed_in_place ? 0 : (largest + tied) * size_of(question.type));
}

}  // namespace

std::int64_t MemoryForecast::total() const {
  std::int64_t sum = 0;
  for (const auto& [name, bytes] : parts()) sum += bytes;
  return sum;
}

std::vector<std::pair<std::string, std::int64_t>> MemoryForecast::parts() const {
  return {{"weights", weights},         {"gradients", gradients}, {"optimizer", optimizer},
          {"activations", activations}, {"working", working},     {"libraries", libraries}};
}

MemoryForecast forecast_memory(const MemoryQuestion& question) {
  MemoryForecast forecast;
  for (const params::FusedTensor& tensor : question.layout.fused)
    forecast.weights += tensor.elements() * size_of(question.type);
  forecast.gradients = gradient_bytes(question);
  for (const optim::Assignment& assignment : question.optimizer.of_parameters)
    forecast.optimizer += static_cast<std::int64_t>(optim::state_bytes(assignment));
  const auto saved = [&](model::MemoryPolicy policy) {
    return model::saved_bytes(question.config, question.type, policy, question.microbatch_tokens);
  };
  const std::int64_t others = question.config.layers - question.kept_layers;
  forecast.activations = question.kept_layers * saved(model::MemoryPolicy::keep) +
                         others * saved(model::MemoryPolicy::checkpoint);
  const std::int64_t made_again = others == 0 ? 0 : saved(model::MemoryPolicy::keep);
  forecast.working = std::max(
      made_again +
          model::working_bytes(question.config, question.type, question.microbatch_tokens),
      model::head_bytes(question.config, question.type, question.microbatch_tokens));
  forecast.libraries = library_bytes;
  return forecast;
}

}  // namespace fg::engine
