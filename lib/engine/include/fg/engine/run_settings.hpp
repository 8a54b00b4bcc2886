#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/base/json.hpp>
#include <fg/checkpoint/choose.hpp>
#include <fg/checkpoint/retention.hpp>
#include <fg/checkpoint/save.hpp>
#include <fg/data/options.hpp>
#include <fg/engine/arrangement.hpp>
#include <fg/model/block.hpp>
#include <fg/model/model.hpp>
#include <fg/optim/clipping.hpp>
#include <fg/optim/gradient_plan.hpp>
#include <fg/optim/groups.hpp>
#include <fg/optim/lr_schedule.hpp>
#include <fg/optim/numerics_guard.hpp>
#include <fg/optim/token_budget.hpp>
#include <fg/store/tensor_file.hpp>

namespace fg::engine {

// A run as the engine needs it told: a configuration without its spelling. Paths are absolute.

struct ModelSettings {
  std::filesystem::path weights;      // model or checkpoint folder; empty: random weights
  std::filesystem::path config;       // the folder of config.json
  std::filesystem::path tokenizer;    // the folder of the tokenizer's files
  std::optional<store::Dtype> dtype;  // nothing: bfloat16 on a GPU, else float32
  /// Nothing: as many layers keep their activations as the budget allows, the others checkpoint.
  std::optional<model::MemoryPolicy> policy = model::MemoryPolicy::keep;
  std::optional<std::uint64_t> budget_bytes;  // of the process; nothing: what is available
};

struct DataSettings {
  data::Options train;
  std::optional<data::Options> evaluation;
  std::filesystem::path chat_template;  // empty: the tokenizer folder's, else ChatML
  bool pack = true;
};

struct BatchSettings {
  std::uint64_t global_rows = 1;     // of one step, over the whole job
  std::int64_t microbatch_rows = 1;  // that go through at once
  bool is_of_replica = false;        // given a replica; `global_rows` then counts a replica a rank
};

struct LengthSettings {
  double epochs = 1;
  std::optional<std::uint64_t> max_steps;
  std::optional<std::uint64_t> max_tokens;
};

struct OptimizerSettings {
  optim::Settings settings;
  std::vector<optim::Group> groups;
  optim::ScheduleOptions schedule;
  optim::GradientType gradient_type = optim::GradientType::automatic;
  optim::ClipOptions clip;
  optim::GuardOptions guard;
};

/// How often things are done; nothing: never.
struct CadenceSettings {
  optim::Duration log{.count = 10};
  std::optional<optim::Duration> evaluation;
  std::optional<optim::Duration> save;
  std::optional<optim::Duration> sample;  // absent: with each evaluation
  bool saves_at_epoch_ends = false;
  bool saves_at_end = true;
};

struct EvaluationSettings {
  std::optional<std::uint64_t> most_batches;
  std::optional<std::uint64_t> patience;
  double min_delta = 0;
};

struct CheckpointSettings {
  checkpoint::ResumeRequest resume;
  checkpoint::Retention retention;
  checkpoint::Format format = checkpoint::Format::hdf5;
  bool each_node = false;
};

struct CommSettings {
  double timeout_s = 600;
  double simulated_bytes_per_second = 0;  // of a slow link to pretend; 0: none
};

struct RunSettings {
  World world;
  at::Device device = at::kCPU;
  /// What this rank may use, and the least that any rank may. Nothing: what is available here.
  std::optional<std::uint64_t> available_bytes;
  std::optional<std::uint64_t> least_available_bytes;
  ParallelSettings parallel;
  CommSettings comm;
  bool deterministic = false;  // on a GPU: the same bits every time, somewhat slower
  ModelSettings model;
  DataSettings data;
  BatchSettings batch;
  optim::TokenBudget budget;  // turns tokens into steps, and scales every lr
  LengthSettings length;
  std::uint64_t seed = 42;
  OptimizerSettings optimizer;
  CadenceSettings cadence;
  EvaluationSettings evaluation;
  CheckpointSettings checkpoint;
  std::filesystem::path output;
  bool tensorboard = true;
  std::uint64_t profile_step = 0;  // the first of two to trace; 0: none

  std::string config_yaml;  // the resolved configuration: config.yaml of the run
  Json identity;            // the same for comparisons, without what belongs to a host
  /// Sentences about what differs between an earlier `identity` and this one.
  std::function<std::vector<std::string>(const Json& earlier)> changes_since;
  /// Texts for sample lines; each gets an answer by `generate` with the model as it is.
  std::vector<std::string> prompts;
  std::function<std::string(model::Model&, const std::string& prompt)> generate;
};

}  // namespace fg::engine
