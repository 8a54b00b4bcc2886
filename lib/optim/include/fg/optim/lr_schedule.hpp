#pragma once

#include <cstdint>
#include <optional>

namespace fg::optim {

enum class ScheduleType { constant, linear, cosine, wsd, infinite };

/// How InfiniteLR leaves its constant part.
enum class Annealing {
  exponential,  // min + (constant - min) exp(-t / tau)
  rsqrt,        // WSD's harmonic decay, over `decay`
};

/// A length of training.
struct Duration {
  enum class Unit { steps, tokens };
  std::uint64_t count = 0;
  Unit unit = Unit::steps;

  bool operator==(const Duration&) const = default;
};

/// `lr_schedule`. Rates are given for the optimizer's own lr; a group with another lr follows the
/// same curve in proportion.
struct ScheduleOptions {
  ScheduleType type = ScheduleType::constant;
  Duration warmup;                // linear from 0
  std::optional<Duration> total;  // linear, cosine, and WSD's default decay_start; absent: the run
  std::optional<double> min_lr;   // absent: 0 for linear and cosine, 1e-8 for wsd and infinite
  std::optional<double> min_lr_ratio;  // instead of min_lr, as a share of lr

  Duration decay;  // wsd; infinite with rsqrt: from lr (or constant_lr) to min_lr
  /// wsd: absent means total - decay. infinite: absent means never. A checkpoint keeps it.
  std::optional<Duration> decay_start;

  Duration cooldown;             // infinite: cosine from lr to constant_lr
  double constant_lr = 3.75e-5;  // infinite
  Annealing annealing = Annealing::exponential;
  double tau = 1e4;  // infinite, exponential: steps

  bool operator==(const ScheduleOptions&) const = default;
};

/// Throws Error(usage) listing every mistake. `lr` is the optimizer's.
void validate(const ScheduleOptions& options, double lr);

/// The same curve with nothing left to the run: durations in steps, `total` and WSD's `decay_start`
/// filled in. A checkpoint keeps this, so that a resumed run decays where the first would have.
ScheduleOptions resolved(const ScheduleOptions& options, std::uint64_t tokens_per_step,
                         std::uint64_t run_steps);

/// The learning rate as a pure function of the number of finished steps: the first step of a run
/// asks for step 0 (so a warm-up's first step has rate 0, as in transformers). Beyond its end every
/// curve stays where it ended.
class LrSchedule {
public:
  /// `run_steps`: the whole run's, where `total` is absent. Durations in tokens become whole steps.
  LrSchedule(const ScheduleOptions& options, double lr, std::uint64_t tokens_per_step,
             std::uint64_t run_steps);

  /// What each group's lr is multiplied by at this step.
  double factor(std::uint64_t step) const;
  double lr(std::uint64_t step) const { return lr_ * factor(step); }

private:
  double after_warmup(double step) const;
  double infinite(double step) const;

  ScheduleType type_;
  Annealing annealing_;
  double lr_;
  double tau_;
  double floor_;     // min_lr / lr
  double constant_;  // constant_lr / lr
  double warmup_ = 0;
  double total_ = 0;
  double decay_ = 0;
  double decay_start_ = 0;
  double cooldown_ = 0;
};

}  // namespace fg::optim
