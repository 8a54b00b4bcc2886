#pragma once

#include "kernels.hpp"

namespace fg::optim::kernels {

/// What does not change from step to step.
struct AdafactorRule {
  double decay_rate = 0;
  double beta2 = 0;
  double eps_square = 0;
  double eps_scale = 0;
  double clip_threshold = 0;
  double lr = 0;
  double weight_decay = 0;
  bool relative_step = false;
  double whole = 0;  // elements of the whole parameter, as a divisor of sums
};

/// A matrix, in the three phases of the CPU's. `sums` holds what is added over rows: one number a
/// column, then Σw² and Σu².
struct Adafactor {
  Target target;
  AdafactorRule rule;
  std::int64_t* age = nullptr;
  float* row = nullptr;     // state
  float* column = nullptr;  // state
  double* sums = nullptr;   // [columns + 2]
  /// ΣR of the rows here, one number a block of rows: added in order when phase 1 begins.
  double* row_totals = nullptr;
  double* tile_sums = nullptr;    // [tiles]
  double* weight_sums = nullptr;  // [tiles], with relative_step
  float* row_sums = nullptr;      // [tiles across, rows]
  float* column_sums = nullptr;   // [tiles down, columns]
  float* row_factors = nullptr;
  float* column_factors = nullptr;
  /// With a check: where Σg² goes, and what is raised where it is not finite.
  float* check_sum = nullptr;
  std::int32_t* check_flag = nullptr;
  bool column_sums_short = false;  // planted faults
  bool age_kept = false;

  constexpr Tiles tiles() const { return {target.rows, target.columns}; }
};

/// Numbers in `row_totals`.
std::int64_t adafactor_row_totals(std::int64_t rows);

cudaError_t adafactor_statistics(const Adafactor& args, cudaStream_t stream);
cudaError_t adafactor_measure_update(const Adafactor& args, cudaStream_t stream);
cudaError_t adafactor_apply(const Adafactor& args, cudaStream_t stream);

/// All phases of a vector, which must have been checked.
struct AdafactorVector {
  Target target;  // one row
  AdafactorRule rule;
  std::int64_t* age = nullptr;
  float* row = nullptr;  // state
  bool age_kept = false;
};
cudaError_t adafactor_vector(const AdafactorVector& args, cudaStream_t stream);

}  // namespace fg::optim::kernels
