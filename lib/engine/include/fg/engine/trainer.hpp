#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <fg/data/epoch_plan.hpp>
#include <fg/data/prefetcher.hpp>
#include <fg/device/timer.hpp>
#include <fg/device/transfer.hpp>
#include <fg/engine/evaluation.hpp>
#include <fg/engine/journal.hpp>
#include <fg/engine/step_plan.hpp>
#include <fg/engine/step_runner.hpp>
#include <fg/engine/trainer_state.hpp>
#include <fg/engine/updater.hpp>
#include <fg/model/model.hpp>
#include <fg/optim/lr_schedule.hpp>
#include <fg/optim/numerics_guard.hpp>
#include <fg/session/agreement.hpp>

namespace fg::engine {

/// A Chrome trace of two steps, so that it shows how one follows the other.
struct ProfileSettings {
  std::uint64_t first_step = 0;  // from 1; 0: none
  std::filesystem::path file;
};

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
  std::optional<double> peak_flops;  // of all devices of the job, for MFU
  std::size_t batches_at_once = 1;   // of an evaluation, over all ranks
  ProfileSettings profile;
};

/// What has come from outside since it was last asked; the same on every rank.
struct Requests {
  bool save = false;             // and go on
  bool requeue = false;          // save, then end
  std::optional<ExitCode> stop;  // interrupted: save first; terminated: at once

  bool any() const { return save || requeue || stop.has_value(); }
};

/// What a trainer asks of those who own files, signals and text.
struct TrainerHooks {
  /// `eval_loss`: of an evaluation at this very step, if there was one.
  std::function<void(const TrainerState&, std::optional<double> eval_loss)> save;
  /// Loads weights, optimizer and state of the last checkpoint; nothing where there is none.
  std::function<std::optional<TrainerState>()> roll_back;
  std::function<void(std::uint64_t step)> sample;
  std::function<Requests()> requests;
  /// This rank's bytes to rank 0, which gets those of all ranks.
  std::function<std::vector<double>(double)> gather;
  /// What must be the same on every rank.
  std::function<void(const std::vector<session::Fact>&)> require_same;
};

/// How a run came to its end.
enum class RunEnd { finished, stopped_early, requeue, interrupted, terminated };

/// The loop of a job, the same on every rank. Each step: its rows, forward and backward by a
/// StepRunner with the loss's gradient scaled by 1 / (trained tokens of the step), the update, then
/// log line, evaluation and checkpoint where they are due. All decisions are made from numbers that
/// all ranks have, so they agree.
///
/// On a GPU a step is queued before the numbers of the one before it are read, so the GPU never
/// runs dry. Should those be bad, nothing has been written since: the later step is thrown away and
/// queued again.
class Trainer {
public:
  /// All must outlive this. `evaluation` may be absent.
  struct Parts {
    const arch::ModelConfig& config;
    at::Device device;
    StepRunner& runner;
    Updater& updater;
    optim::Clipper& clipper;
    const optim::LrSchedule& schedule;
    data::EpochPlans& epochs;
    const StepPlan& plan;
    data::EpochPlans* evaluation = nullptr;
    Journal& journal;
    const std::vector<std::string>& hosts;  // of each rank
    TrainerHooks hooks;
  };
  /// Begins at `state`.
  Trainer(Parts parts, TrainerSettings settings, TrainerState state);

  /// Runs to the end. Error(numerics) where the NaN or spike policy says stop.
  RunEnd run();

  const TrainerState& state() const noexcept { return state_; }

private:
  struct StepData {
    StepRows rows;
    Microbatches microbatches;
  };
  /// A step that was started and has not been judged.
  struct Flight {
    StepData data;
    double lr = 0;
    Work work;
    double seconds = 0;        // that its launch and the wait for its numbers took
    double fetch_seconds = 0;  // of its rows
    device::Laps own;          // of its work on this rank
    device::Readback numbers;  // [Σ of losses, norm, 1 where not finite] float64
  };

  void restart_feed();
  /// Of the next step that was not started yet.
  StepData fetch();
  Flight launch(StepData data);
  /// Judges the first flight: it becomes a step of the run, is skipped, or undoes others.
  void settle();
  optim::StepReport report_of(Flight& flight) const;
  void accept(Flight& flight, const optim::StepReport& report);
  void roll_back(const StepRows& rows);
  /// After a step, of which the data goes on at `next`.
  struct Due {
    bool is_last = false;
    bool evaluation = false;
    bool sample = false;
    bool save = false;
  };
  Due due_after(std::uint64_t step, const Cursor& next) const;
  /// True where the step that is in the air now must be judged before the next one starts.
  bool must_land() const;
  void poll();
  void write_record();
  /// Collective. Error(ranks_disagree) where the ranks are not at the same place of the run.
  void compare_places();
  /// Collective. Names a rank that the others wait for.
  void report_pace();
  Evaluation losses_of_evaluation();
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
  std::size_t most_in_air_;        // flights that may be unjudged when the next one starts
  std::deque<Flight> flights_;     // in the order of their steps
  std::deque<StepData> returned_;  // of flights that were thrown away
  Requests requests_;              // not served yet
  std::optional<std::uint64_t> saved_at_, evaluated_at_;
  double eval_loss_ = 0;  // at evaluated_at_
  double last_lr_ = 0;
  double last_norm_ = 0;
  double seconds_ = 0;                    // spent in steps since the last line, by this process
  Work timed_;                            // what was done in them
  double run_seconds_ = 0;                // and since this process began
  std::uint64_t run_steps_ = 0;           // steps of this process
  double waited_ = 0;                     // of the feed, at the last line
  double own_seconds_ = 0;                // of this rank's work since the last line
  std::uint64_t own_steps_ = 0;           // that they were spent in
  std::optional<std::size_t> straggler_;  // that the last line knew
};

}  // namespace fg::engine
