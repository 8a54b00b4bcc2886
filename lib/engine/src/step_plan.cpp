#include <algorithm>
#include <cmath>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/engine/step_plan.hpp>

namespace fg::engine {

StepPlan::StepPlan(data::EpochPlans& epochs, std::uint64_t rows_per_step)
    : epochs_(epochs), rows_per_step_(rows_per_step) {
  FG_CHECK(rows_per_step_ > 0);
}

std::uint64_t StepPlan::steps_in(std::uint64_t epoch) const {
  const auto rows = static_cast<std::uint64_t>(epochs_.at(epoch)->rows());
  return (rows + rows_per_step_ - 1) / rows_per_step_;
}

StepRows StepPlan::at(const Cursor& cursor) const {
  const auto plan = epochs_.at(cursor.epoch);
  const auto rows = static_cast<std::uint64_t>(plan->rows());
  FG_CHECK(cursor.row < rows);
  StepRows step;
  step.epoch = cursor.epoch;
  step.first = cursor.row;
  step.rows = std::min(rows_per_step_, rows - cursor.row);
  for (std::uint64_t row = 0; row < step.rows; ++row)
    step.trained += plan->trained_tokens(static_cast<std::size_t>(step.first + row));
  step.next = {cursor.epoch, cursor.row + step.rows};
  if (fault_planted("engine.cursor_off_by_one") && step.rows > 1) --step.next.row;
  if (step.next.row == rows) step.next = {cursor.epoch + 1, 0};
  return step;
}

std::uint64_t StepPlan::total_steps(const RunLength& length) const {
  const std::uint64_t most = length.max_steps.value_or(~std::uint64_t{0});
  std::uint64_t steps = 0;
  for (std::uint64_t number = 0; static_cast<double>(number) < length.epochs && steps < most;
       ++number) {
    const double share = std::min(1.0, length.epochs - static_cast<double>(number));
    steps +=
        static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(steps_in(number)) - 1e-9));
  }
  return std::min(steps, most);
}

double StepPlan::epochs_at(const Cursor& cursor) const {
  if (cursor.row == 0) return static_cast<double>(cursor.epoch);
  return static_cast<double>(cursor.epoch) +
         static_cast<double>(cursor.row) / static_cast<double>(epochs_.at(cursor.epoch)->rows());
}

}  // namespace fg::engine
