#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>

#include <ATen/Parallel.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>

#include <fg/base/units.hpp>
#include <fg/device/device.hpp>
#include <fg/engine/flops.hpp>
#include <fg/engine/process_memory.hpp>
#include <fg/engine/run_plan.hpp>

namespace fg::engine {
namespace {

std::string thousands(std::uint64_t number) {
  return with_thousands(number);
}

std::string short_number(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", number);
  return text;
}

std::string type_name(at::ScalarType type) {
  return type == at::kBFloat16 ? "bfloat16" : "float32";
}

std::string model_text(const RunSettings& settings, const RunPlan& plan) {
  const std::string origin = settings.model.weights.empty()
                                 ? "random weights for " + settings.model.config.string()
                                 : settings.model.weights.string();
  return origin + "\n" + std::string(arch::model_type_of(plan.config.family)) + ", " +
         log::format_count(static_cast<double>(plan.parameters())) + " parameters (" +
         thousands(static_cast<std::uint64_t>(plan.parameters())) + "), " + type_name(plan.type) +
         (plan.config.tied ? ", tied embeddings" : "") + ", " + std::to_string(plan.config.layers) +
         " layers of " + std::to_string(plan.config.hidden_size);
}

std::string data_text(const RunPlan& plan) {
  if (!plan.train) return "not there yet: steps and time are not known";
  std::string text;
  for (const std::string& line : plan.train->set().counts().lines()) text += line + "\n";
  const auto epoch = plan.train->at(0);
  text += thousands(epoch->rows()) + " rows an epoch, " + short_number(100 * epoch->density()) +
          " % full";
  return text + "\ntemplate: " + plan.template_name;
}

std::string batch_text(const RunSettings& settings, const RunPlan& plan) {
  return thousands(settings.batch.global_rows) + " rows of " +
         thousands(settings.data.train.seq_len) + " tokens a step, in " +
         thousands(plan.microbatches) + (plan.microbatches == 1 ? " microbatch" : " microbatches") +
         " of " + std::to_string(settings.batch.microbatch_rows);
}

std::string optimizer_text(const RunSettings& settings, const RunPlan& plan) {
  const optim::OptimizerOptions options =
      optim::read_options(settings.optimizer.settings, "optimizer");
  std::string text = std::string(optim::to_string(options.type)) + ", lr " + short_number(plan.lr) +
                     ", weight decay " + short_number(options.weight_decay);
  if (!settings.optimizer.groups.empty())
    text += ", " + std::to_string(settings.optimizer.groups.size()) +
            " groups (--debug-optimizer-groups shows them)";
  text += plan.kept ? "; gradients kept in " + type_name(*plan.kept)
                    : "; updates inside the backward pass";
  return text;
}

std::string device_text(const RunSettings& settings) {
  const std::string same_bits = settings.deterministic ? ", deterministic" : "";
  if (settings.device.is_cpu())
    return "CPU, " + std::to_string(at::get_num_threads()) + " threads" + same_bits;
  const device::Gpu gpu = device::describe_gpu(settings.device.index());
  return "GPU " + std::to_string(settings.device.index()) + ", " + gpu.name + ", " +
         format_bytes(gpu.bytes) + same_bits;
}

std::string ranks_text(const RunPlan& plan) {
  const Arrangement& ranks = plan.arrangement;
  if (ranks.trainer == TrainerKind::ddp)
    return std::to_string(ranks.ranks) + " replicas, " +
           std::to_string((plan.microbatches + static_cast<std::uint64_t>(ranks.ranks) - 1) /
                          static_cast<std::uint64_t>(ranks.ranks)) +
           " microbatches each; gradients are summed over them";
  std::string text = "a pipeline of " + std::to_string(ranks.ranks) + ", " +
                     std::string(schedule::to_string(ranks.schedule)) + "; layers of each stage:";
  for (int stage = 0; stage < ranks.stages(); ++stage)
    text += " " + std::to_string(ranks.split.layers(stage));
  text += ", on ranks";
  for (const int rank : ranks.rank_of_stage) text += " " + std::to_string(rank);
  for (std::size_t rank = 0; rank < ranks.extra_warmup.size(); ++rank)
    if (ranks.extra_warmup[rank] > 0)
      text += "\n" + std::to_string(ranks.extra_warmup[rank]) +
              " more microbatches on their way from rank " + std::to_string(rank) + " to rank " +
              std::to_string(rank + 1);
  return text;
}

/// What memory.policy auto has come to; empty where every layer keeps its activations.
std::string policies_text(const RunSettings& settings, const RunPlan& plan) {
  if (settings.model.policy) return "";
  const bool is_alone = plan.arrangement.ranks == 1;
  std::string text = is_alone ? "\nlayers kept: " : "\nlayers kept on each rank: ";
  bool is_mixed = false;
  for (std::size_t rank = 0; rank < plan.policies_of_rank.size(); ++rank) {
    const model::LayerPolicies& policies = plan.policies_of_rank[rank];
    std::int64_t layers = 0;
    for (const params::Part& part : plan.parts_of(static_cast<int>(rank)))
      layers += part.last_layer - part.first_layer;
    text +=
        (rank > 0 ? ", " : "") + std::to_string(policies.kept) + " of " + std::to_string(layers);
    if (policies.kept == layers) continue;
    is_mixed = true;
    text += policies.others == model::MemoryPolicy::offload ? " (others offload)"
                                                            : " (others checkpoint)";
  }
  return is_mixed ? text : "";
}

/// Of the rank that needs most.
std::string memory_text(const RunSettings& settings, const RunPlan& plan) {
  const auto most = std::ranges::max_element(plan.memory_of_rank, {}, &MemoryForecast::total);
  std::string text =
      format_bytes(static_cast<std::uint64_t>(most->total())) +
      (plan.arrangement.ranks > 1 ? " on rank " + std::to_string(most - plan.memory_of_rank.begin())
                                  : "") +
      " (";
  bool is_first = true;
  for (const auto& [name, bytes] : most->parts()) {
    if (bytes == 0) continue;
    text += (is_first ? "" : ", ") + name + " " + format_bytes(static_cast<std::uint64_t>(bytes));
    is_first = false;
  }
  const std::uint64_t available =
      settings.available_bytes.value_or(available_memory(settings.device));
  text += ") of " + format_bytes(available) + " available" + policies_text(settings, plan);
  if (plan.arrangement.trainer != TrainerKind::pipeline) return text;
  text += "\nof each rank:";
  for (const MemoryForecast& each : plan.memory_of_rank)
    text += " " + format_bytes(static_cast<std::uint64_t>(each.total()));
  return text;
}

}  // namespace

log::Block describe(const RunSettings& settings, const RunPlan& plan) {
  log::Block block;
  block.emplace_back("model", model_text(settings, plan));
  block.emplace_back("data", data_text(plan));
  if (plan.evaluation)
    block.emplace_back("evaluation", thousands(plan.evaluation->set().counts().documents) +
                                         " documents every " + thousands(plan.trainer.eval_every) +
                                         " steps");
  block.emplace_back("batch", batch_text(settings, plan));
  if (plan.arrangement.ranks > 1) block.emplace_back("ranks", ranks_text(plan));
  block.emplace_back("device", device_text(settings));
  if (plan.trainer.total_steps > 0)
    block.emplace_back("length", thousands(plan.trainer.total_steps) + " steps");
  block.emplace_back("optimizer", optimizer_text(settings, plan));
  block.emplace_back("memory", memory_text(settings, plan));
  block.emplace_back("output", settings.output.string());
  return block;
}

double estimate_seconds(const RunSettings& settings, const RunPlan& plan) {
  if (!plan.train) return std::nan("");
  // A product of the size that a microbatch's projections have; the second one is timed.
  const std::int64_t size = settings.device.is_cuda() ? 8192 : 1024;
  // Attention, norms and updates run below the speed of a product.
  constexpr double share_of_product_speed = 0.6;
  const at::Tensor ones =
      at::ones({size, size}, at::TensorOptions(plan.type).device(settings.device));
  at::mm(ones, ones);
  device::synchronise(settings.device);
  const auto begin = std::chrono::steady_clock::now();
  at::mm(ones, ones);
  device::synchronise(settings.device);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  const double operations = 2.0 * std::pow(static_cast<double>(size), 3);
  const double speed = operations / spent.count() * share_of_product_speed;

  const auto epoch = plan.train->at(0);
  Work work{.tokens = epoch->tokens(), .trained = epoch->trained_tokens()};
  const data::TokenSet& set = plan.train->set();
  for (std::size_t document = 0; document < set.size(); ++document)
    work.attended_pairs += attended_pairs(plan.config, set.length(document));
  const double steps_an_epoch = static_cast<double>(plan.steps->steps_in(0));
  return training_flops(plan.config, work) / speed * static_cast<double>(plan.trainer.total_steps) /
         steps_an_epoch;
}

}  // namespace fg::engine
