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

/// What NCCL keeps on the GPU for a group: of two ranks of one machine with NVLink, measured
/// (docs/benchmarks/2026-11-23-nccl.md, "Speed and memory"): with as many CTAs as NCCL takes by
/// itself, with 8 for near messages and for sums beside the backward pass, and with 2 for messages
/// over a wire and sums of few numbers.
constexpr std::int64_t unlimited_bytes = 486 << 20;
constexpr std::int64_t eight_ctas_bytes = 150 << 20;
constexpr std::int64_t two_ctas_bytes = 42 << 20;

std::int64_t bytes_of(const Links& links) {
  return links.sums * unlimited_bytes + (links.near_ways + links.background) * eight_ctas_bytes +
         (links.numbers + links.far_ways) * two_ctas_bytes;
}

std::int64_t size_of(at::ScalarType type) {
  return static_cast<std::int64_t>(c10::elementSize(type));
}

std::int64_t layers_of(const MemoryQuestion& question) {
  if (question.parts.empty()) return question.config.layers;
  std::int64_t layers = 0;
  for (const params::Part& part : question.parts) layers += part.last_layer - part.first_layer;
  return layers;
}

}  // namespace

std::int64_t MemoryForecast::total() const {
  std::int64_t sum = 0;
  for (const auto& [name, bytes] : parts()) sum += bytes;
  return sum;
}

std::vector<std::pair<std::string, std::int64_t>> MemoryForecast::parts() const {
  return {{"weights", weights},     {"gradients", gradients},
          {"optimizer", optimizer}, {"activations", activations},
          {"working", working},     {"libraries", libraries},
          {"NCCL", links}};
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
  const std::int64_t layers = layers_of(question);
  const std::int64_t kept = std::min(question.policies.kept, layers);
  const std::int64_t others = layers - kept;
  const auto parts = static_cast<std::int64_t>(std::max<std::size_t>(1, question.parts.size()));
  const std::int64_t between =
      model::halfway_bytes(question.config, question.type, question.microbatch_tokens);
  const std::int64_t once =
      kept * saved(model::MemoryPolicy::keep) + others * saved(question.policies.others);
  const std::int64_t halfway = layers * between + others * (saved(model::MemoryPolicy::keep) -
                                                            saved(question.policies.others));
  forecast.activations =
      (question.held.activations * once + question.held.halves * halfway) / parts;
  // As model::train_bytes has it, for layers of both kinds.
  const std::int64_t hidden =
      question.microbatch_tokens * question.config.hidden_size * size_of(question.type);
  std::int64_t layer = model::working_bytes(question.config, question.type,
                                            question.microbatch_tokens, question.device.type());
  if (others > 0) layer += saved(model::MemoryPolicy::keep) - hidden;
  const bool has_head =
      question.parts.empty() || std::ranges::any_of(question.parts, &params::Part::has_head);
  forecast.working = layer;
  if (has_head)
    forecast.working = std::max(
        layer, hidden + model::head_bytes(question.config, question.type,
                                          question.microbatch_tokens, question.device.type()));
  // What comes and goes between ranks.
  if (!question.parts.empty()) forecast.working += 4 * hidden;
  // Inputs on their way out and back.
  if (question.policies.others == model::MemoryPolicy::offload && others > 0)
    forecast.working += 4 * hidden;
  forecast.libraries = question.device.is_cuda() ? gpu_library_bytes : library_bytes;
  if (question.device.is_cuda()) forecast.links = bytes_of(question.links);
  return forecast;
}

model::LayerPolicies choose_policies(MemoryQuestion question,
                                     std::optional<model::MemoryPolicy> wanted,
                                     std::uint64_t budget_bytes) {
  using enum model::MemoryPolicy;
  if (wanted == keep) return {.kept = layers_of(question)};
  if (wanted) return {.kept = 0, .others = *wanted};
  const auto fits = [&] {
    return forecast_memory(question).total() <= static_cast<std::int64_t>(budget_bytes);
  };
  question.policies = {.kept = layers_of(question)};
  while (question.policies.kept > 0 && !fits()) --question.policies.kept;
  if (question.device.is_cuda() && !fits()) question.policies.others = offload;
  return question.policies;
}

}  // namespace fg::engine
