#include "settings.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/config/write.hpp>
#include <fg/configured/learning_rate.hpp>
#include <fg/data/chat_encoder.hpp>
#include <fg/infer/complete.hpp>
#include <fg/schedule/wire.hpp>
#include <fg/session/signals.hpp>

namespace fg::train {
namespace {

using config::Configuration;
using configured::as_unsigned;
using configured::duration_of;
using configured::same_word;

/// The folder of config.json, where the key may name either.
std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.filename() == "config.json" ? path.parent_path() : path;
}

void read_model(const Configuration& configuration, engine::RunSettings& settings) {
  const config::Model& model = configuration.model;
  const bool is_random = model.init == config::ModelInit::random;
  if (!is_random) settings.model.weights = model.path;
  settings.model.config = is_random && !model.config.empty() ? folder_of(model.config) : model.path;
  settings.model.tokenizer = model.tokenizer.empty() ? model.path : model.tokenizer;
  if (settings.model.tokenizer.empty()) settings.model.tokenizer = settings.model.config;
  if (model.dtype == config::ModelType::float32) settings.model.dtype = store::Dtype::float32;
  if (model.dtype == config::ModelType::bfloat16) settings.model.dtype = store::Dtype::bfloat16;
  switch (configuration.memory.policy) {
    case config::MemoryPolicy::keep:
      settings.model.policy = model::MemoryPolicy::keep;
      break;
    case config::MemoryPolicy::offload:
      settings.model.policy = model::MemoryPolicy::offload;
      break;
    case config::MemoryPolicy::checkpoint:
      settings.model.policy = model::MemoryPolicy::checkpoint;
      break;
    case config::MemoryPolicy::automatic:
      settings.model.policy.reset();
      break;
  }
  if (configuration.memory.budget_gib)
    settings.model.budget_bytes =
        static_cast<std::uint64_t>(*configuration.memory.budget_gib * (std::uint64_t{1} << 30));
}

data::Source source_of(const std::filesystem::path& path, double weight) {
  data::Source source;
  source.path = path;
  source.weight = weight;
  return source;
}

std::optional<int> as_int(const std::optional<std::int64_t>& value) {
  if (!value) return std::nullopt;
  return static_cast<int>(*value);
}

/// "1gbit", "100mbit": bytes of payload a second on such a wire; 0 for none.
double link_rate(const std::string& words) {
  if (words.empty()) return 0;
  char* end = nullptr;
  const double number = std::strtod(words.c_str(), &end);
  const std::string unit(end);
  if (!(number > 0) || (unit != "gbit" && unit != "mbit"))
    fail(ExitCode::usage, "comm.simulate_link '" + words + "' is no rate such as 1gbit or 100mbit");
  return schedule::payload_rate(number * (unit == "gbit" ? 1e9 : 1e6));
}

void read_parallel(const Configuration& configuration, engine::RunSettings& settings) {
  const config::Parallel& parallel = configuration.parallel;
  settings.parallel = {.trainer = std::nullopt,
                       .pipeline = as_int(parallel.pipeline),
                       .data = as_int(parallel.data),
                       .schedule = same_word<schedule::Kind>(parallel.schedule),
                       .split = {parallel.split.begin(), parallel.split.end()},
                       .extra_warmup = static_cast<int>(parallel.extra_warmup)};
  if (configuration.train.trainer == config::Trainer::basic)
    settings.parallel.trainer = engine::TrainerKind::basic;
  // A dry run of what is not there yet: each rank's share of the work is that of ddp.
  if (configuration.train.trainer == config::Trainer::ddp ||
      configuration.train.trainer == config::Trainer::fsdp)
    settings.parallel.trainer = engine::TrainerKind::ddp;
  if (configuration.train.trainer == config::Trainer::pipeline)
    settings.parallel.trainer = engine::TrainerKind::pipeline;
  settings.comm.timeout_s = configuration.comm.timeout_s;
  settings.comm.simulated_bytes_per_second = link_rate(configuration.comm.simulate_link);
}

void read_data(const Configuration& configuration, engine::RunSettings& settings) {
  const config::Data& data = configuration.data;
  data::Options& train = settings.data.train;
  for (const config::DataSource& source : data.path)
    train.sources.push_back(source_of(source.path, source.weight));
  train.format = same_word<data::Format>(data.format);
  train.split = data.split;
  train.train_on = same_word<data::TrainOn>(data.train_on);
  train.too_long = same_word<data::TooLong>(data.too_long);
  train.seq_len = static_cast<std::size_t>(configuration.train.seq_len);
  train.cache_folder = data.cache;
  train.check = session::check_for_stop;
  settings.data.chat_template = data.chat_template;
  settings.data.pack = data.pack;
  if (data.eval_path.empty() && data.eval_split.empty()) return;
  settings.data.evaluation = train;
  settings.data.evaluation->split = data.eval_split;
  if (!data.eval_path.empty()) settings.data.evaluation->sources = {source_of(data.eval_path, 1)};
}

void read_optimizer(const Configuration& configuration, engine::OptimizerSettings& settings) {
  const config::Optimizer& optimizer = configuration.optimizer;
  settings.settings = configured::settings_of(optimizer.settings);
  for (const config::OptimizerGroup& group : configuration.optimizer_groups)
    settings.groups.push_back({group.name, group.regex, configured::settings_of(group.settings)});
  settings.gradient_type = same_word<optim::GradientType>(optimizer.gradient_dtype);
  settings.clip = {.norm = optimizer.clip_norm,
                   .mode = same_word<optim::ClipMode>(optimizer.clip_mode)};
  settings.guard = {.nan = same_word<optim::NanPolicy>(optimizer.nan),
                    .spike = same_word<optim::SpikePolicy>(optimizer.spike),
                    .spike_sigmas = optimizer.spike_sigmas,
                    .spike_ratio = optimizer.spike_ratio,
                    .window = static_cast<std::size_t>(optimizer.spike_window),
                    .most_skips = static_cast<std::uint64_t>(optimizer.most_skips),
                    .most_rollbacks = static_cast<std::uint64_t>(optimizer.most_rollbacks)};
}

void read_cadence(const Configuration& configuration, engine::RunSettings& settings) {
  using Strategy = config::SaveStrategy;
  const Strategy strategy = configuration.checkpoint.save_strategy;
  engine::CadenceSettings& cadence = settings.cadence;
  cadence.log = duration_of(configuration.log.every);
  cadence.evaluation = duration_of(configuration.eval.every);
  cadence.sample = duration_of(configuration.log.samples.every);
  if (strategy == Strategy::steps) cadence.save = duration_of(configuration.checkpoint.every);
  cadence.saves_at_epoch_ends = strategy == Strategy::epoch;
  cadence.saves_at_end = strategy != Strategy::no;
  settings.evaluation = {.most_batches = as_unsigned(configuration.eval.steps),
                         .patience = as_unsigned(configuration.eval.early_stop.patience),
                         .min_delta = configuration.eval.early_stop.min_delta};
}

void read_checkpoint(const Configuration& configuration, engine::RunSettings& settings) {
  const config::Checkpoint& checkpoint = configuration.checkpoint;
  settings.checkpoint = {
      .resume = checkpoint::ResumeRequest::parse(checkpoint.resume),
      .retention = {.keep = static_cast<std::uint64_t>(checkpoint.keep),
                    .keep_best = checkpoint.keep_best ? std::uint64_t{1} : std::uint64_t{0}},
      .format = same_word<checkpoint::Format>(checkpoint.format),
      .each_node = checkpoint.each_node};
}

std::vector<std::string> read_prompts(const std::filesystem::path& file) {
  std::vector<std::string> prompts;
  if (file.empty()) return prompts;
  std::istringstream lines(read_text(file, 1 << 20));
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) prompts.push_back(line);
  return prompts;
}

/// Answers prompts with the model as it is.
void read_samples(const Configuration& configuration, engine::RunSettings& settings) {
  const config::Samples& samples = configuration.log.samples;
  settings.prompts = read_prompts(samples.prompts);
  if (settings.prompts.empty()) return;
  const auto encoder = std::make_shared<const data::ChatEncoder>(
      data::ChatEncoder::load(settings.model.tokenizer, settings.data.chat_template));
  infer::CompleteOptions options;
  options.max_tokens = samples.max_tokens;
  options.sampling.temperature = samples.temperature;
  options.seed = configuration.train.seed;
  settings.generate = [encoder, options](model::Model& model, const std::string& prompt) {
    return infer::complete(model, *encoder, prompt, options);
  };
}

/// What is not said, in one message.
void require_complete(const engine::RunSettings& settings) {
  std::string missing;
  if (settings.model.config.empty())
    missing += "\n  the model: -M MODEL_DIR, model.path or $FG_MODEL";
  if (settings.data.train.sources.empty()) missing += "\n  the data: --set data.path=FILE";
  if (settings.output.empty()) missing += "\n  the run's folder: --output-dir or train.output_dir";
  if (!missing.empty()) fail(ExitCode::usage, "not said:" + missing);
}

std::vector<std::string> changes(const Json& earlier, const Json& now) {
  std::vector<std::string> sentences;
  for (const config::Difference& each : config::difference(earlier, now))
    sentences.push_back(each.key + ": " + (each.before.empty() ? "not set" : each.before) +
                        " then, " + (each.after.empty() ? "not set" : each.after) + " now");
  return sentences;
}

}  // namespace

std::vector<std::string> missing_features(const Configuration& configuration) {
  std::vector<std::string> missing;
  if (configuration.train.trainer == config::Trainer::fsdp)
    missing.emplace_back("train.trainer fsdp");
  if (configuration.parallel.data_mode == config::DataMode::fsdp)
    missing.emplace_back("parallel.data_mode fsdp");
  if (configuration.parallel.wire != config::Wire::automatic)
    missing.emplace_back("parallel.wire other than auto");
  return missing;
}

engine::RunSettings settings_of(const config::Loaded& loaded, std::int64_t ranks) {
  const Configuration& configuration = loaded.configuration;
  engine::RunSettings settings;
  read_model(configuration, settings);
  read_parallel(configuration, settings);
  read_data(configuration, settings);
  settings.output = configuration.train.output_dir.empty() ? configuration.model.path
                                                           : configuration.train.output_dir;
  require_complete(settings);
  read_samples(configuration, settings);
  const config::BatchPlan batch = configured::batch_of(configuration, ranks);
  settings.batch = {.global_rows = static_cast<std::uint64_t>(batch.global_rows),
                    .microbatch_rows = configuration.train.microbatch_size,
                    .is_of_replica = configuration.train.batch_size.has_value()};
  settings.budget = configured::budget_of(configuration, batch);
  settings.length = {.epochs = configuration.train.epochs,
                     .max_steps = as_unsigned(configuration.train.max_steps),
                     .max_tokens = as_unsigned(configuration.train.max_tokens)};
  settings.seed = configuration.train.seed;
  settings.deterministic =
      configuration.train.deterministic && !fault_planted("train.deterministic_forgotten");
  read_optimizer(configuration, settings.optimizer);
  settings.optimizer.schedule = configured::schedule_of(configuration.lr_schedule);
  read_cadence(configuration, settings);
  read_checkpoint(configuration, settings);
  settings.tensorboard = configuration.log.tensorboard;
  settings.profile_step = static_cast<std::uint64_t>(configuration.log.profile);
  settings.config_yaml = config::to_yaml(loaded.values, true);
  settings.identity = config::comparable_json(configuration);
  settings.changes_since = [now = settings.identity](const Json& earlier) {
    return changes(earlier, now);
  };
  return settings;
}

}  // namespace fg::train
