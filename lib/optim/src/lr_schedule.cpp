#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/optim/lr_schedule.hpp>
#include <fg/optim/token_budget.hpp>

namespace fg::optim {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

bool decays_harmonically(const ScheduleOptions& options) {
  return options.type == ScheduleType::wsd ||
         (options.type == ScheduleType::infinite && options.annealing == Annealing::rsqrt);
}

double floor_of(const ScheduleOptions& options, double lr) {
  if (options.min_lr_ratio) return *options.min_lr_ratio;
  const bool open_ended =
      options.type == ScheduleType::wsd || options.type == ScheduleType::infinite;
  const double least = options.min_lr.value_or(open_ended ? 1e-8 : 0);
  return lr > 0 ? std::min(1.0, least / lr) : 1;
}

/// How much of [begin, begin + length] lies before `step`, from 0 to 1.
double progress(double step, double begin, double length) {
  if (length <= 0) return 1;
  const double share = (step - begin) / length;
  return std::max(0.0, fault_planted("optim.cosine_not_clamped") ? share : std::min(share, 1.0));
}

double cosine(double from, double to, double share) {
  return to + (from - to) * 0.5 * (1 + std::cos(std::numbers::pi * share));
}

/// Linear in 1 / rate.
double harmonic(double from, double to, double share) {
  return 1 / (share / to + (1 - share) / from);
}

}  // namespace

void validate(const ScheduleOptions& options, double lr) {
  std::string mistakes;
  const auto demand = [&](bool holds, const std::string& text) {
    if (!holds) mistakes += (mistakes.empty() ? "lr_schedule: " : "\nlr_schedule: ") + text;
  };
  demand(!options.min_lr || !options.min_lr_ratio, "min_lr and min_lr_ratio are both given");
  const double least = floor_of(options, lr);
  demand(std::isfinite(least) && least >= 0 && least <= 1 &&
             (!options.min_lr || (*options.min_lr >= 0 && *options.min_lr <= std::max(lr, 0.0))),
         "min_lr must be from 0 to lr");
  demand(!decays_harmonically(options) || least > 0 || lr == 0,
         "a decay that is linear in 1 / lr needs a min_lr above 0");
  if (options.type == ScheduleType::infinite) {
    demand(std::isfinite(options.constant_lr) && options.constant_lr > 0,
           "constant_lr must be above 0");
    demand(std::isfinite(options.tau) && options.tau > 0, "tau must be above 0");
  }
  const bool explicit_start = options.decay_start.has_value();
  demand(!explicit_start || !decays_harmonically(options) || options.decay.count > 0,
         "decay_start is given, but decay is 0");
  demand(!explicit_start || options.decay_start->unit != options.warmup.unit ||
             options.decay_start->count >= options.warmup.count,
         "decay_start lies before the end of the warm-up");
  if (!mistakes.empty()) fail(ExitCode::usage, mistakes);
}

ScheduleOptions resolved(const ScheduleOptions& options, std::uint64_t tokens_per_step,
                         std::uint64_t run_steps) {
  ScheduleOptions result = options;
  const auto to_steps = [&](Duration& duration) {
    if (duration.unit == Duration::Unit::tokens)
      duration = {steps_in(duration.count, tokens_per_step), Duration::Unit::steps};
  };
  for (Duration* duration : {&result.warmup, &result.decay, &result.cooldown}) to_steps(*duration);
  if (!result.total) result.total = Duration{run_steps};
  to_steps(*result.total);
  if (result.decay_start) to_steps(*result.decay_start);
  if (!result.decay_start && result.type == ScheduleType::wsd && result.decay.count > 0) {
    const std::uint64_t total = result.total->count;
    result.decay_start = Duration{total - std::min(total, result.decay.count)};
  }
  if (result.decay_start)
    result.decay_start->count = std::max(result.decay_start->count, result.warmup.count);
  return result;
}

LrSchedule::LrSchedule(const ScheduleOptions& given, double lr, std::uint64_t tokens_per_step,
                       std::uint64_t run_steps)
    : type_(given.type),
      annealing_(given.annealing),
      lr_(lr),
      tau_(given.tau),
      floor_(floor_of(given, lr)),
      constant_(lr > 0 ? given.constant_lr / lr : 1) {
  validate(given, lr);
  const ScheduleOptions options = resolved(given, tokens_per_step, run_steps);
  const auto steps = [](const Duration& duration) { return static_cast<double>(duration.count); };
  warmup_ = steps(options.warmup);
  total_ = steps(*options.total);
  decay_ = steps(options.decay);
  cooldown_ = steps(options.cooldown);
  decay_start_ = options.decay_start ? steps(*options.decay_start) : never;
  if (type_ == ScheduleType::infinite) decay_start_ = std::max(decay_start_, warmup_ + cooldown_);
}

double LrSchedule::factor(std::uint64_t step) const {
  const auto at = static_cast<double>(step + (fault_planted("optim.warmup_off_by_one") ? 1 : 0));
  if (at >= warmup_) return after_warmup(at);
  // Without a cooldown InfiniteLR warms up to its constant rate, or the rate would drop at once.
  const bool to_constant = type_ == ScheduleType::infinite && cooldown_ == 0;
  return (to_constant ? constant_ : 1) * at / warmup_;
}

double LrSchedule::after_warmup(double step) const {
  switch (type_) {
    case ScheduleType::constant:
      return 1;
    case ScheduleType::linear: {
      const double share = progress(step, warmup_, total_ - warmup_);
      return floor_ + (1 - floor_) * (1 - share);
    }
    case ScheduleType::cosine:
      return cosine(1, floor_, progress(step, warmup_, total_ - warmup_));
    case ScheduleType::wsd:
      if (step < decay_start_) return 1;
      return harmonic(1, floor_, progress(step, decay_start_, decay_));
    case ScheduleType::infinite:
      return infinite(step);
  }
  return 1;
}

double LrSchedule::infinite(double step) const {
  if (step < warmup_ + cooldown_) return cosine(1, constant_, progress(step, warmup_, cooldown_));
  if (step < decay_start_) return constant_;
  if (annealing_ == Annealing::rsqrt)
    return harmonic(constant_, floor_, progress(step, decay_start_, decay_));
  return floor_ + (constant_ - floor_) * std::exp(-(step - decay_start_) / tau_);
}

}  // namespace fg::optim
