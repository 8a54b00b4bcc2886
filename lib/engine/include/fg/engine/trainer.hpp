#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <fg/data/epoch_plan.hpp>
#include <fg/data/prefetcher.hpp>
#include <fg/engine/evaluation.hpp>
#include <fg/engine/journal.hpp>
#include <fg/engine/step_plan.hpp>
#include <fg/engine/trainer_state.hpp>
#include <fg/engine/updater.hpp>
#include <fg/model/model.hpp>
#include <fg/optim/lr_schedule.hpp>
#include <fg/optim/numerics_guard.hpp>

namespace fg::engine {

struct TrainerSettings {
  std::uint64_t seed = 0;
  std::int64_t microbatch_rows = 1;
  std::uint64_t total_steps = 0;  // of the whole run, resumed parts included

  // Every so many steps; 0: never.
  std::uint64_t log_every = 1;
  std::uint64_t eval_every = 0;
  std::uint64_t save_every = 0;
  std::uint64_t sample_every = 0;
  bool saves_at_epoch_ends = false;
  bool saves_at_end = true;

  std::optional<std::uint64_t> eval_rows;  // most rows of an evaluation
  std::optional<std::uint64_t> patience;   // evaluations without a gain before the run stops
  double min_delta = 0;                    // what counts as a gain
  bool keeps_best = true;                  // an evaluation's best is saved at once

  optim::GuardOptions guard;
  std::optional<double> peak_flops;  // of the device, for MFU
};

/// What has come from outside since it was last asked; the same on every rank.
struct Requests {
  bool save = false;             // and go on
  bool requeue = false;          // save, then end
  std::optional<ExitCode> stop;  // interrupted: save first; terminated: at once
};

/// What a trainer asks of those who own files, signals and text.
struct TrainerHooks {
  /// `eval_loss`: of an evaluation at this very step, if there was one.
  std::function<void(const TrainerState&, std::optional<double> eval_loss)> save;
  /// Loads weights, optimizer and state of the last checkpoint; nothing where there is none.
  std::function<std::optional<TrainerState>()> roll_back;
  std::function<void(std::uint64_t step)> sample;
  std::function<Requests()> requests;
};

/// How a run came to its end.
enum class RunEnd { finished, stopped_early, requeue, interrupted, terminated };

/// The loop of one process over a whole model. Each step: its rows, forward and backward microbatch
/// by microbatch with the loss's gradient scaled by 1 / (trained tokens of the step), the update,
/// then log line, evaluation and checkpoint where they are due.
class Trainer {
public:
  /// All must outlive this. `evaluation` may be absent.
  struct Parts {
    model::Model& model;
    Updater& updater;
    optim::Clipper& clipper;
    const optim::LrSchedule& schedule;
    data::EpochPlans& epochs;
    const StepPlan& plan;
    data::EpochPlans* evaluation = nullptr;
    Journal& journal;
    TrainerHooks hooks;
  };
  /// Begins at `state`.
  Trainer(Parts parts, TrainerSettings settings, TrainerState state);

  /// Runs to the end. Error(numerics) where the NaN or spike policy says stop.
  RunEnd run();

  const TrainerState& state() const noexcept { return state_; }

private:
  struct StepResult {
    double loss_sum = 0;
    Work work;
    Updater::Measure gradients;
  };
  using Microbatches = std::vector<std::vector<data::Row>>;

  void restart_feed();
  Microbatches fetch(const StepRows& rows);
  StepResult compute(const StepRows& rows, const Microbatches& microbatches);
  void step();
  void accept(const StepRows& rows, const StepResult& result);
  void roll_back(const StepRows& rows);
  void write_record();
  /// True where the run has waited long enough for a gain.
  bool evaluate();
  void save();
  /// What is due after a step; how the run ends here, if it does.
  std::optional<RunEnd> after_step();

  Parts parts_;
  TrainerSettings settings_;
  TrainerState state_;
  optim::NumericsGuard guard_;
  std::optional<data::Prefetcher> feed_;
  std::optional<std::uint64_t> saved_at_, evaluated_at_;
  double eval_loss_ = 0;  // at evaluated_at_
  double last_lr_ = 0;
  double last_norm_ = 0;
  double seconds_ = 0;           // spent in steps since the last line, by this process
  Work timed_;                   // what was done in them
  double run_seconds_ = 0;       // and since this process began
  std::uint64_t run_steps_ = 0;  // steps of this process
  double waited_ = 0;            // of the feed, at the last line
};

}  // namespace fg::engine
