#include <fg/base/failpoint.hpp>

#include "../cuda_optim.hpp"
#include "adafactor_kernels.hpp"
#include "target.hpp"

namespace fg::optim::cuda {
namespace {

kernels::AdafactorRule rule_of(const OptimizerOptions& options, const Parameter& parameter,
                               double lr) {
  return {.decay_rate = options.decay_rate,
          .beta2 = options.beta2,
          .eps_square = options.eps_square,
          .eps_scale = options.eps_scale,
          .clip_threshold = options.clip_threshold,
          .lr = lr,
          .weight_decay = options.weight_decay,
          .relative_step = options.relative_step,
          .whole = static_cast<double>(extent_of(parameter).elements())};
}

void add_scratch(Scratch& scratch, kernels::Adafactor& args) {
  const kernels::Tiles tiles = args.tiles();
  scratch.add(args.sums, tiles.columns + 2);
  scratch.add(args.row_totals, kernels::adafactor_row_totals(tiles.rows));
  scratch.add(args.tile_sums, tiles.count());
  if (args.rule.relative_step) scratch.add(args.weight_sums, tiles.count());
  scratch.add(args.row_sums, tiles.across() * tiles.rows);
  scratch.add(args.column_sums, tiles.down() * tiles.columns);
  scratch.add(args.row_factors, tiles.rows);
  scratch.add(args.column_factors, tiles.columns);
}

void update_matrix(const Piece& piece, const OptimizerOptions& options, State& state,
                   const StepInfo& info, const GradientCheck* check) {
  kernels::Adafactor args{.target = target_of(piece, options, info, check, /*joined=*/false),
                          .rule = rule_of(options, piece.parameter, info.lr),
                          .age = age_of(state),
                          .row = state["row"].data_ptr<float>(),
                          .column = state["col"].data_ptr<float>()};
  Scratch scratch;
  add_scratch(scratch, args);
  scratch.allocate(piece.values.device());
  if (check != nullptr) {
    args.check_sum = check->sum.data_ptr<float>();
    args.check_flag = check->flag.value().data_ptr<std::int32_t>();
  }
  static const bool short_sums = fault_planted("optim.cuda_column_sums_short");
  args.column_sums_short = short_sums;
  args.age_kept = age_is_kept();
  const cudaStream_t stream = device::stream_of(piece.values);
  device::check(kernels::adafactor_statistics(args, stream), "adafactor: statistics");
  device::check(kernels::adafactor_measure_update(args, stream), "adafactor: update measured");
  device::check(kernels::adafactor_apply(args, stream), "adafactor: update");
}

void update_vector(const Piece& piece, const OptimizerOptions& options, State& state,
                   const StepInfo& info, const GradientCheck* check) {
  device::check(
      kernels::adafactor_vector({.target = target_of(piece, options, info, check, /*joined=*/false),
                                 .rule = rule_of(options, piece.parameter, info.lr),
                                 .age = age_of(state),
                                 .row = state["row"].data_ptr<float>(),
                                 .age_kept = age_is_kept()},
                                device::stream_of(piece.values)),
      "adafactor: vector");
}

}  // namespace

void adafactor(const Piece& piece, const OptimizerOptions& options, State& state,
               const StepInfo& info, const GradientCheck* check) {
  const bool matrix = is_matrix(piece.parameter) && piece.values.numel() > 0;
  if (check != nullptr && !matrix) cuda::check_gradient(piece.gradient, check->flag, check->sum);
  if (piece.values.numel() == 0) return;
  if (matrix) {
    update_matrix(piece, options, state, info, check);
  } else {
    update_vector(piece, options, state, info, check);
  }
}

}  // namespace fg::optim::cuda
