#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace fg::optim {

enum class NanPolicy { stop, skip, rollback };
enum class SpikePolicy { warn, stop, skip, rollback };

struct GuardOptions {
  NanPolicy nan = NanPolicy::stop;
  SpikePolicy spike = SpikePolicy::warn;
  double spike_sigmas = 6;  // above the mean of the window by so many standard deviations …
  double spike_ratio = 3;   // … or above the median by this factor
  std::size_t window =
      200;  // losses remembered; a spike is looked for once a quarter of them are there
  std::uint64_t most_skips = 3;  // within `skip_span` steps, then stop
  std::uint64_t skip_span = 100;
  std::uint64_t most_rollbacks = 3;  // for the same step, then stop
};

/// Throws Error(usage). Skipping a step needs the step's gradients kept until all are known: with
/// the optimizer in the backward, weights have changed when a later gradient turns out bad.
void validate(const GuardOptions& options, bool gradients_kept);

/// What one step's numbers call for.
enum class Action {
  proceed,
  replay,    // run the step again from the same inputs, once
  skip,      // leave weights and state alone, go on with the next batch
  rollback,  // load the last checkpoint, and pass over the batches that led here
  stop,      // end with ExitCode::numerics
};

struct StepReport {
  std::uint64_t step = 0;
  double loss = 0;
  double norm = 0;              // of the gradients, unclipped
  bool gradients_kept = false;  // no weight has changed yet
  bool replayed = false;        // this is the second run of the step
};

struct Decision {
  Action action = Action::proceed;
  std::string message;  // for the log; empty where all is well
};

/// Decides about losses and gradients that are not finite, and about spikes of the loss. Pure: the
/// same reports give the same decisions, so ranks that see the same numbers agree.
class NumericsGuard {
public:
  /// What a checkpoint keeps.
  struct Memory {
    std::deque<double> losses;
    std::deque<std::uint64_t> skipped;  // steps
    std::uint64_t rollback_step = 0;
    std::uint64_t rollbacks = 0;  // for rollback_step
  };

  explicit NumericsGuard(const GuardOptions& options) : options_(options) {}

  Decision judge(const StepReport& report);

  const Memory& memory() const noexcept { return memory_; }
  void restore(Memory memory) { memory_ = std::move(memory); }

private:
  Decision apply(NanPolicy policy, const StepReport& report, const std::string& finding);
  Decision skip(const StepReport& report, const std::string& finding);
  Decision roll_back(const StepReport& report, const std::string& finding);
  std::string spike_in(double loss) const;

  GuardOptions options_;
  Memory memory_;
};

}  // namespace fg::optim
