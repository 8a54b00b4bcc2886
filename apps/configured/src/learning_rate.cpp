#include <algorithm>

#include <fg/configured/learning_rate.hpp>

namespace fg::configured {
namespace {

std::int64_t replicas_of(const config::Configuration& configuration, std::int64_t ranks) {
  const config::Parallel& parallel = configuration.parallel;
  // Of one rank, whatever the job has; fg-train refuses more by the trainer's name.
  if (configuration.train.trainer == config::Trainer::basic) return 1;
  if (parallel.data) return *parallel.data;
  if (parallel.pipeline) return std::max<std::int64_t>(1, ranks / *parallel.pipeline);
  return configuration.train.trainer == config::Trainer::pipeline ? 1 : ranks;
}

}  // namespace

std::optional<std::uint64_t> as_unsigned(const std::optional<std::int64_t>& value) {
  if (!value) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

optim::Duration duration_of(const config::Duration& duration) {
  return {.count = duration.count, .unit = same_word<optim::Duration::Unit>(duration.unit)};
}

std::optional<optim::Duration> duration_of(const std::optional<config::Duration>& duration) {
  if (!duration) return std::nullopt;
  return duration_of(*duration);
}

optim::Settings settings_of(const std::vector<config::Setting>& written) {
  optim::Settings settings;
  for (const config::Setting& setting : written) settings.push_back({setting.name, setting.value});
  return settings;
}

optim::ScheduleOptions schedule_of(const config::LrSchedule& schedule) {
  return {.type = same_word<optim::ScheduleType>(schedule.type),
          .warmup = duration_of(schedule.warmup),
          .total = duration_of(schedule.total),
          .min_lr = schedule.min_lr,
          .min_lr_ratio = schedule.min_lr_ratio,
          .decay = duration_of(schedule.decay),
          .decay_start = duration_of(schedule.decay_start),
          .cooldown = duration_of(schedule.cooldown),
          .constant_lr = schedule.constant_lr,
          .annealing = same_word<optim::Annealing>(schedule.annealing),
          .tau = schedule.tau};
}

std::int64_t wanted_ranks(const config::Configuration& configuration) {
  return configuration.parallel.pipeline.value_or(1) * configuration.parallel.data.value_or(1);
}

config::BatchPlan batch_of(const config::Configuration& configuration, std::int64_t ranks) {
  return config::batch_plan(configuration.train, replicas_of(configuration, ranks));
}

optim::TokenBudget budget_of(const config::Configuration& configuration,
                             const config::BatchPlan& batch) {
  const config::LrScaling& scaling = configuration.optimizer.lr_scaling;
  return {.seq_len = static_cast<std::uint64_t>(configuration.train.seq_len),
          .global_batch = static_cast<std::uint64_t>(batch.global_rows),
          .batch_density = configuration.data.pack ? configuration.train.batch_density : 1.0,
          .base_batch_size = as_unsigned(scaling.base_batch_tokens).value_or(1),
          .lr_alpha = scaling.base_batch_tokens ? scaling.alpha : 0.0};
}

}  // namespace fg::configured
