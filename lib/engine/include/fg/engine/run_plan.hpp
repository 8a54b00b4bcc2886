#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fg/arch/model_config.hpp>
#include <fg/data/chat_encoder.hpp>
#include <fg/data/epoch_plan.hpp>
#include <fg/engine/forecast.hpp>
#include <fg/engine/run_settings.hpp>
#include <fg/engine/step_plan.hpp>
#include <fg/engine/trainer.hpp>
#include <fg/log/console.hpp>
#include <fg/optim/groups.hpp>
#include <fg/params/layout.hpp>
#include <fg/session/agreement.hpp>

namespace fg::engine {

/// What a run will do, found out before a weight is allocated: a function of the settings and the
/// files they name, the same on every rank but for what the rank itself holds.
struct RunPlan {
  arch::ModelConfig config;
  at::ScalarType type = at::kFloat;
  Arrangement arrangement;
  params::Layout model_layout;     // of the whole model
  params::Layout layout;           // of what this rank holds
  optim::Assignments assignments;  // of the whole model

  std::string config_hash;
  std::string tokenizer_hash;
  std::string template_name;
  std::unique_ptr<data::EpochPlans> train;       // absent where a dry run found no data
  std::unique_ptr<data::EpochPlans> evaluation;  // absent without evaluation
  std::unique_ptr<StepPlan> steps;               // absent without train
  std::uint64_t tokens_per_step = 0;             // as settings.budget has it
  std::uint64_t microbatches = 1;                // of a full step

  double lr = 0;  // the optimizer's, after scaling
  std::unique_ptr<optim::LrSchedule> schedule;
  std::optional<at::ScalarType> kept;  // the gradient buffer's type
  UpdateTime update_time = UpdateTime::in_backward;
  model::LayerPolicies policies;
  MemoryForecast memory;  // of this rank
  // As this rank sees the others.
  std::vector<model::LayerPolicies> policies_of_rank;
  std::vector<MemoryForecast> memory_of_rank;
  TrainerSettings trainer;  // its total_steps is 0 where the data is not known

  std::int64_t parameters() const;
  /// The parts of the model that a rank holds; this one.
  std::vector<params::Part> parts_of(int rank) const;
  std::vector<params::Part> parts() const { return parts_of(arrangement.rank); }
  /// By this rank's logical tensors: those that it saves, and whose gradients it counts in the
  /// norm. Each of the model's tensors is one rank's own, whoever else holds it too.
  std::vector<bool> owned() const;
  /// Those of the model's assignments that are of `tensors`.
  optim::Assignments assignments_of(const params::Layout& tensors) const;
};

enum class MissingData : bool { refuse, go_on };

/// Reads config and tokenizer, tokenises the data (or finds it in the cache), assigns parameters to
/// groups, counts steps and bytes. Error(usage) listing every mistake of the optimizer's settings;
/// Error(data), Error(cannot_load) as data::prepare and the readers have it.
RunPlan make_plan(const RunSettings& settings, MissingData missing);

/// What the plans of all ranks of a job must have in common.
std::vector<session::Fact> facts_of(const RunSettings& settings, const RunPlan& plan);

/// A pipeline's split, the order of one step, what a simulation makes of it, and what passes
/// between the ranks; for --plan. Nothing for other trainers.
std::vector<std::string> describe_schedule(const RunSettings& settings, const RunPlan& plan);

/// The run's header: model, parameters, data, batch, optimizer, memory.
log::Block describe(const RunSettings& settings, const RunPlan& plan);

/// The whole run's time on this machine, from the speed of a matrix product that is tried now.
double estimate_seconds(const RunSettings& settings, const RunPlan& plan);

}  // namespace fg::engine
