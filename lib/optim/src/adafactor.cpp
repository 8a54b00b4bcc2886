#include "adafactor.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

#include "common.hpp"
#include "cuda_optim.hpp"

namespace fg::optim {
namespace {

// Where the sums of all phases lie: [Σ over rows of U, one a column | ΣR | Σp²] after phase 0,
// [Σu²] after phase 1. A vector has neither column sums nor ΣR.
struct SumPlaces {
  std::size_t row_total;
  std::size_t weights;
  std::size_t updates;

  static SumPlaces of(const Parameter& parameter) {
    if (!is_matrix(parameter)) return {0, 0, 1};
    const auto columns = static_cast<std::size_t>(extent_of(parameter).columns);
    return {columns, columns + 1, columns + 2};
  }
};

double beta2_at(const OptimizerOptions& options, std::int64_t t) {
  if (fault_planted("optim.adafactor_counts_late")) ++t;
  return std::min(1 - std::pow(static_cast<double>(t), options.decay_rate), options.beta2);
}

float blend(float old, double fresh, double beta2) {
  return static_cast<float>(beta2 * static_cast<double>(old) + (1 - beta2) * fresh);
}

/// U = g² + eps, in float32, for one tile.
void load_squares(const Work& work, float eps, std::int64_t begin, std::int64_t count, float* to) {
  work.load_gradient(begin, count, to);
  for (std::int64_t i = 0; i < count; ++i) to[i] = to[i] * to[i] + eps;
}

// Rows that one task sums: fixed, so that sums do not depend on the number of threads; at least 32,
// so that the column sums of all tasks stay small beside the gradient.
std::int64_t rows_a_task(std::int64_t columns) {
  constexpr std::int64_t elements_a_task = 65536;
  return std::max<std::int64_t>(32, elements_a_task / std::max<std::int64_t>(1, columns));
}

/// Row and column sums of U over rows [first, last); `columns` is added to.
void sum_rows(const Work& work, float eps, std::int64_t first, std::int64_t last, double* rows,
              double* columns) {
  const std::int64_t width = work.extent.columns;
  float u[tile_elements];
  for (std::int64_t row = first; row < last; ++row) {
    double sum = 0;
    for (std::int64_t column = 0; column < width; column += tile_elements) {
      const std::int64_t count = std::min(tile_elements, width - column);
      load_squares(work, eps, row * width + column, count, u);
      sum += sum_in_lanes(count, [&u](std::int64_t i) { return static_cast<double>(u[i]); });
      for (std::int64_t i = 0; i < count; ++i) columns[column + i] += static_cast<double>(u[i]);
    }
    rows[row] = sum;
  }
}

/// Row sums of the piece into `rows`, column sums into `columns`.
void sum_squares(const Work& work, float eps, std::vector<double>& rows,
                 std::span<double> columns) {
  const std::int64_t width = work.extent.columns;
  const std::int64_t step = rows_a_task(width);
  const std::int64_t tasks = (work.extent.rows + step - 1) / step;
  std::vector<double> parts(static_cast<std::size_t>(tasks * width));
  at::parallel_for(0, tasks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task)
      sum_rows(work, eps, task * step, std::min(work.extent.rows, (task + 1) * step), rows.data(),
               parts.data() + task * width);
  });
  for (std::int64_t task = 0; task < tasks; ++task)
    for (std::size_t i = 0; i < columns.size(); ++i)
      columns[i] += parts[static_cast<std::size_t>(task * width) + i];
}

double sum_of_weights(const Work& work) {
  return sum_over_tiles(work.elements, [&](std::int64_t begin, std::int64_t count) {
    float p[tile_elements];
    work.load_weights(begin, count, p);
    return sum_of_squares(p, count);
  });
}

/// The factors by which a gradient becomes an update: of its row and column, or of itself.
class Scaling {
public:
  Scaling(const Work& work, const Parameter& parameter, State& state, double row_total)
      : width_(work.extent.columns),
        rows_(inverse_roots(state["row"], is_matrix(parameter) ? row_total : 1)) {
    if (is_matrix(parameter)) columns_ = inverse_roots(state["col"], 1);
  }

  /// Row factor first: where a gradient is not 0, no product can then overflow.
  /// g becomes u = g · rsqrt(R / ΣR) · rsqrt(C), or g / √r.
  void apply(std::int64_t begin, std::int64_t count, float* g) const {
    if (columns_.empty()) {
      for (std::int64_t i = 0; i < count; ++i) g[i] *= rows_[static_cast<std::size_t>(begin + i)];
      return;
    }
    for_each_stretch(
        begin, count, width_,
        [&](std::int64_t row, std::int64_t column, std::int64_t offset, std::int64_t n) {
          const float factor = rows_[static_cast<std::size_t>(row)];
          const float* factors = columns_.data() + column;
          for (std::int64_t i = 0; i < n; ++i) g[offset + i] = g[offset + i] * factor * factors[i];
        });
  }

private:
  /// sqrt(total / statistic), kept finite so that a gradient of 0 stays an update of 0.
  static std::vector<float> inverse_roots(const at::Tensor& statistics, double total) {
    constexpr double largest = std::numeric_limits<float>::max();
    if (fault_planted("optim.row_factor_not_normalised")) total = 1;
    const float* from = statistics.data_ptr<float>();
    std::vector<float> factors(static_cast<std::size_t>(statistics.numel()));
    for (std::size_t i = 0; i < factors.size(); ++i)
      factors[i] =
          static_cast<float>(std::min(largest, std::sqrt(total / static_cast<double>(from[i]))));
    return factors;
  }

  std::int64_t width_;
  std::vector<float> rows_;
  std::vector<float> columns_;
};

void gather_statistics(const Work& work, const Parameter& parameter,
                       const OptimizerOptions& options, State& state, std::span<double> sums) {
  const double beta2 = beta2_at(options, age(state) + 1);
  const auto eps = static_cast<float>(options.eps_square);
  const SumPlaces places = SumPlaces::of(parameter);
  float* row = state["row"].data_ptr<float>();
  if (options.relative_step) sums[places.weights] = sum_of_weights(work);
  if (!is_matrix(parameter)) {
    for_each_tile(work.elements, [&](std::int64_t begin, std::int64_t count) {
      float u[tile_elements];
      load_squares(work, eps, begin, count, u);
      for (std::int64_t i = 0; i < count; ++i) row[begin + i] = blend(row[begin + i], u[i], beta2);
    });
    return;
  }
  std::vector<double> rows(static_cast<std::size_t>(work.extent.rows));
  sum_squares(work, eps, rows, sums.subspan(0, places.row_total));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    row[i] = blend(row[i], rows[i], beta2);
    sums[places.row_total] += static_cast<double>(row[i]);
  }
}

void measure_update(const Work& work, const Parameter& parameter, const OptimizerOptions& options,
                    State& state, std::span<double> sums) {
  const SumPlaces places = SumPlaces::of(parameter);
  if (is_matrix(parameter)) {
    const double beta2 = beta2_at(options, age(state) + 1);
    float* column = state["col"].data_ptr<float>();
    for (std::size_t i = 0; i < places.row_total; ++i) column[i] = blend(column[i], sums[i], beta2);
  }
  const Scaling scaling(work, parameter, state, sums[places.row_total]);
  sums[places.updates] = sum_over_tiles(work.elements, [&](std::int64_t begin, std::int64_t count) {
    float u[tile_elements];
    work.load_gradient(begin, count, u);
    scaling.apply(begin, count, u);
    return sum_of_squares(u, count);
  });
}

void apply_update(const Work& work, const Parameter& parameter, const OptimizerOptions& options,
                  double lr, State& state, std::span<const double> sums) {
  const SumPlaces places = SumPlaces::of(parameter);
  const auto whole = static_cast<double>(extent_of(parameter).elements());
  const double rms = std::sqrt(sums[places.updates] / whole);
  double size = lr / std::max(1.0, rms / options.clip_threshold);
  if (options.relative_step)
    size *= std::max(options.eps_scale, std::sqrt(sums[places.weights] / whole));
  const auto step_size = static_cast<float>(size);
  const auto decay = static_cast<float>(lr * options.weight_decay);
  const Scaling scaling(work, parameter, state, sums[places.row_total]);
  for_each_tile(work.elements, [&](std::int64_t begin, std::int64_t count) {
    float u[tile_elements], p[tile_elements];
    work.load_gradient(begin, count, u);
    scaling.apply(begin, count, u);
    work.load_weights(begin, count, p);
    for (std::int64_t i = 0; i < count; ++i) p[i] -= decay * p[i] + step_size * u[i];
    work.store_weights(begin, count, p);
  });
  set_age(state, age(state) + 1);
}

}  // namespace

std::vector<StateSpec> Adafactor::state_specs(const Parameter& parameter) const {
  const Extent extent = extent_of(parameter);
  if (!is_matrix(parameter)) return {step_spec(), {"row", at::kFloat, parameter.shape, true}};
  return {step_spec(),
          {"row", at::kFloat, {extent.rows}, true},
          {"col", at::kFloat, {extent.columns}, false}};
}

std::string Adafactor::state_format(const Parameter& parameter) const {
  return is_matrix(parameter) ? "row, col float32" : "row float32";
}

std::vector<std::size_t> Adafactor::phase_sums(const Parameter& parameter) const {
  const SumPlaces places = SumPlaces::of(parameter);
  return {places.updates, 1, 0};
}

void Adafactor::run(std::size_t phase, const Piece& piece, State& state, const StepInfo& info,
                    std::span<double> sums) const {
  if (info.flag != nullptr && info.flag->raised()) return;
  const Work work(piece, options(), info);
  if (extent_of(piece.parameter).elements() == 0) return;
  FG_CHECK(sums.size() == SumPlaces::of(piece.parameter).updates + 1);
  switch (phase) {
    case 0:
      return gather_statistics(work, piece.parameter, options(), state, sums);
    case 1:
      return measure_update(work, piece.parameter, options(), state, sums);
    case 2:
      return apply_update(work, piece.parameter, options(), info.lr, state, sums);
    default:
      fail(ExitCode::bug, "adafactor has three phases");
  }
}

void Adafactor::run_on_gpu(const Piece& piece, State& state, const StepInfo& info,
                           const GradientCheck* check) const {
  cuda::adafactor(piece, options(), state, info, check);
}

}  // namespace fg::optim
