#include <algorithm>

#include <fg/engine/forecast.hpp>
#include <fg/model/memory.hpp>
#include <fg/params/gradients.hpp>

namespace fg::engine {
namespace {

/// Thread stacks, packed operands of matrix products and the heap's loose ends: measured
/// (docs/performance.md), not derived.
constexpr std::int64_t library_bytes = 48 << 20;
/// The workspace of matrix products.
constexpr std::int64_t gpu_library_bytes = 32 << 20;

std::int64_t size_of(at::ScalarType type) {
  return static_cast<std::int64_t>(c10::elementSize(type));
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
    if (!tensor.shares_value_of) forecast.weights += tensor.elements() * size_of(question.type);
  forecast.gradients =
      params::gradient_bytes(question.layout, question.type, question.kept, question.microbatches);
  for (const optim::Assignment& assignment : question.optimizer.of_parameters)
    forecast.optimizer += static_cast<std::int64_t>(optim::state_bytes(assignment));
  const auto saved = [&](model::MemoryPolicy policy) {
    return model::saved_bytes(question.config, question.type, policy, question.microbatch_tokens);
  };
  const std::int64_t others = question.config.layers - question.policies.kept;
  forecast.activations = question.policies.kept * saved(model::MemoryPolicy::keep) +
                         others * saved(question.policies.others);
  // As model::train_bytes has it, for layers of both kinds.
  const std::int64_t hidden =
      question.microbatch_tokens * question.config.hidden_size * size_of(question.type);
  std::int64_t layer = model::working_bytes(question.config, question.type,
                                            question.microbatch_tokens, question.device.type());
  if (others > 0) layer += saved(model::MemoryPolicy::keep) - hidden;
  forecast.working = std::max(
      layer, hidden + model::head_bytes(question.config, question.type, question.microbatch_tokens,
                                        question.device.type()));
  // Inputs on their way out and back.
  if (question.policies.others == model::MemoryPolicy::offload && others > 0)
    forecast.working += 4 * hidden;
  forecast.libraries = question.device.is_cuda() ? gpu_library_bytes : library_bytes;
  return forecast;
}

model::LayerPolicies choose_policies(MemoryQuestion question,
                                     std::optional<model::MemoryPolicy> wanted,
                                     std::uint64_t budget_bytes) {
  using enum model::MemoryPolicy;
  if (wanted == keep) return {.kept = question.config.layers};
  if (wanted) return {.kept = 0, .others = *wanted};
  const auto fits = [&] {
    return forecast_memory(question).total() <= static_cast<std::int64_t>(budget_bytes);
  };
  question.policies = {.kept = question.config.layers};
  while (question.policies.kept > 0 && !fits()) --question.policies.kept;
  if (question.device.is_cuda() && !fits()) question.policies.others = offload;
  return question.policies;
}

}  // namespace fg::engine
