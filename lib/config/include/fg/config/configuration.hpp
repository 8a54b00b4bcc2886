#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <fg/config/choices.hpp>

namespace fg::config {

/// A length of training, or how often something happens: steps (100) or tokens ("2M tokens").
struct Duration {
  enum class Unit { steps, tokens };
  std::uint64_t count = 0;
  Unit unit = Unit::steps;

  bool operator==(const Duration&) const = default;
};

struct Model {
  std::filesystem::path path;  // empty: not said (-M, $FG_MODEL)
  ModelInit init = ModelInit::weights;
  ModelType dtype = ModelType::automatic;  // bfloat16 on CUDA, float32 on the CPU
  std::filesystem::path config;            // init random: config.json, or its folder; empty: path
  std::filesystem::path tokenizer;         // empty: path

  bool operator==(const Model&) const = default;
};

/// One file or folder to train on, and how often it counts.
struct DataSource {
  std::filesystem::path path;
  double weight = 1;

  bool operator==(const DataSource&) const = default;
};

struct Data {
  std::vector<DataSource> path;
  DataFormat format = DataFormat::automatic;
  std::string split;                // "train[:95%]"; empty: all
  std::filesystem::path eval_path;  // empty: path, where eval_split is given
  std::string eval_split;
  std::filesystem::path chat_template;  // empty: the model's own, else ChatML
  TrainOn train_on = TrainOn::all;
  bool pack = true;
  TooLong too_long = TooLong::cut;
  std::filesystem::path cache;  // folder of the token cache; empty: the user's (docs/data.md)

  bool operator==(const Data&) const = default;
};

struct Train {
  Trainer trainer = Trainer::automatic;
  // Of these two a loaded configuration holds exactly one (batch_plan reads them).
  std::optional<std::int64_t> global_batch_size = 16;  // rows of a step, whole job
  std::optional<std::int64_t> batch_size;              // rows of a step and replica
  std::int64_t microbatch_size = 1;
  std::int64_t seq_len = 512;
  double batch_density = 0.95;  // share of positions that are real tokens: steps ↔ tokens
  double epochs = 1;
  std::optional<std::int64_t> max_steps;
  std::optional<std::int64_t> max_tokens;
  std::uint64_t seed = 42;
  std::filesystem::path output_dir;  // empty: the model's folder
  bool deterministic = false;

  bool operator==(const Train&) const = default;
};

struct Parallel {
  std::optional<std::int64_t> pipeline;  // absent: world / data
  std::optional<std::int64_t> data;      // absent: world / pipeline
  DataMode data_mode = DataMode::ddp;
  PipelineSchedule schedule = PipelineSchedule::one_f_one_b;
  std::vector<std::int64_t> split;  // blocks of each stage; empty: balanced by cost
  std::int64_t extra_warmup = 0;
  Wire wire = Wire::automatic;  // automatic: as computed

  bool operator==(const Parallel&) const = default;
};

struct Memory {
  MemoryPolicy policy = MemoryPolicy::keep;
  std::optional<double> budget_gib;

  bool operator==(const Memory&) const = default;
};

/// One option of an optimizer, as written: lib/optim knows which it has and what they default to.
using OptionValue = std::variant<bool, std::int64_t, double, std::string>;

struct Setting {
  std::string name;
  OptionValue value;

  bool operator==(const Setting&) const = default;
};

/// lr ← lr · (tokens a step / base_batch_tokens)^alpha.
struct LrScaling {
  std::optional<std::int64_t> base_batch_tokens;  // absent: no scaling
  double alpha = 0.5;

  bool operator==(const LrScaling&) const = default;
};

struct Optimizer {
  std::vector<Setting> settings;  // type, lr, weight_decay, …: those that were written
  LrScaling lr_scaling;
  GradientType gradient_dtype = GradientType::automatic;
  double clip_norm = 0;  // 0: no clipping
  ClipMode clip_mode = ClipMode::exact;
  NanPolicy nan = NanPolicy::stop;
  SpikePolicy spike = SpikePolicy::warn;
  double spike_sigmas = 6;
  double spike_ratio = 3;
  std::int64_t spike_window = 200;
  std::int64_t most_skips = 3;
  std::int64_t most_rollbacks = 3;

  bool operator==(const Optimizer&) const = default;
};

struct OptimizerGroup {
  std::string name;
  std::string regex;
  std::vector<Setting> settings;  // laid over the optimizer's

  bool operator==(const OptimizerGroup&) const = default;
};

struct LrSchedule {
  ScheduleType type = ScheduleType::constant;
  Duration warmup;
  std::optional<Duration> total;  // absent: the run's length
  std::optional<double> min_lr;
  std::optional<double> min_lr_ratio;  // at most one of the two
  Duration decay;
  std::optional<Duration> decay_start;
  Duration cooldown;
  double constant_lr = 3.75e-5;
  Annealing annealing = Annealing::exponential;
  double tau = 1e4;

  bool operator==(const LrSchedule&) const = default;
};

struct EarlyStop {
  std::optional<std::int64_t> patience;  // evaluations without a gain; absent: never
  double min_delta = 0;

  bool operator==(const EarlyStop&) const = default;
};

struct Eval {
  std::optional<Duration> every;      // absent: no evaluation
  std::optional<std::int64_t> steps;  // most batches; absent: all
  EarlyStop early_stop;

  bool operator==(const Eval&) const = default;
};

struct Checkpoint {
  SaveStrategy save_strategy = SaveStrategy::steps;
  Duration every{.count = 1000};
  std::int64_t keep = 2;
  bool keep_best = true;
  CheckpointFormat format = CheckpointFormat::hdf5;
  bool each_node = false;
  std::string resume = "latest";  // latest, none or an absolute path

  bool operator==(const Checkpoint&) const = default;
};

struct Samples {
  std::filesystem::path prompts;  // a prompt a line; empty: no samples
  std::optional<Duration> every;  // absent: with each evaluation
  std::int64_t max_tokens = 100;
  double temperature = 0.7;

  bool operator==(const Samples&) const = default;
};

struct Log {
  Duration every{.count = 10};
  bool tensorboard = true;
  std::int64_t profile = 0;  // the first of two steps to trace; 0: none
  Samples samples;

  bool operator==(const Log&) const = default;
};

struct Comm {
  double timeout_s = 600;
  std::string interface;      // empty: the launcher's choice
  std::string simulate_link;  // empty: none

  bool operator==(const Comm&) const = default;
};

/// Everything a run needs to know (docs/configuration.md has each key). The defaults stand here and
/// nowhere else. Paths are absolute once loaded.
struct Configuration {
  Model model;
  Data data;
  Train train;
  Parallel parallel;
  Memory memory;
  Optimizer optimizer;
  std::vector<OptimizerGroup> optimizer_groups;
  LrSchedule lr_schedule;
  Eval eval;
  Checkpoint checkpoint;
  Log log;
  Comm comm;

  bool operator==(const Configuration&) const = default;
};

}  // namespace fg::config
