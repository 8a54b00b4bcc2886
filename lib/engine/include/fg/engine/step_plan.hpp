#pragma once

#include <cstdint>
#include <optional>

#include <fg/data/epoch_plan.hpp>
#include <fg/engine/trainer_state.hpp>

namespace fg::engine {

/// The rows of one optimizer step: `rows` of `epoch`'s own order from `first` on.
struct StepRows {
  std::uint64_t epoch = 0;
  std::uint64_t first = 0;
  std::uint64_t rows = 0;
  std::int64_t trained = 0;  // tokens predicted in all of them: known before the first forward
  Cursor next;               // where the step after this one begins
};

/// How long a run is: as many epochs as it says, and no more steps.
struct RunLength {
  double epochs = 1;
  std::optional<std::uint64_t> max_steps;
};

/// Cuts epochs into optimizer steps. The last step of an epoch has the rows that are left, so no
/// row is lost and none is seen twice. A pure function of its arguments, the same on every rank.
/// Any thread.
class StepPlan {
public:
  /// `epochs` must outlive this.
  StepPlan(data::EpochPlans& epochs, std::uint64_t rows_per_step);

  std::uint64_t steps_in(std::uint64_t epoch) const;
  StepRows at(const Cursor& cursor) const;
  /// Steps from the beginning to the end of the run; a part of an epoch is rounded up.
  std::uint64_t total_steps(const RunLength& length) const;
  /// Epochs done at this place, with their fraction.
  double epochs_at(const Cursor& cursor) const;

private:
  data::EpochPlans& epochs_;
  std::uint64_t rows_per_step_;
};

}  // namespace fg::engine
