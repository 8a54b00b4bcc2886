#include "../blockwise.hpp"
#include "../cuda_optim.hpp"
#include "adamw_kernels.hpp"
#include "target.hpp"

namespace fg::optim::cuda {
namespace {

/// The midpoints in the order of a search tree, level by level.
kernels::Book book_of(const CodeBook& book) {
  kernels::Book tree{};
  const std::size_t size = book.values.size();
  for (std::size_t i = 0; i < size; ++i) tree.values[i] = book.values[i];
  for (std::size_t node = 1, step = size / 2; step > 0; step /= 2)
    for (std::size_t at = step - 1; at < size - 1; at += 2 * step)
      tree.tree[node++] = book.midpoints[at];
  return tree;
}

kernels::QuantisedMoment quantised(State& state, const std::string& name) {
  return {state[name + ".codes"].data_ptr<std::uint8_t>(),
          state[name + ".scale"].data_ptr<float>()};
}

void update_blocks(const MomentFormat& format, const kernels::Target& target, State& state,
                   const kernels::AdamWFactors* factors, cudaStream_t stream) {
  const kernels::AdamWBlocks args{.target = target,
                                  .factors = factors,
                                  .first = quantised(state, "exp_avg"),
                                  .second = quantised(state, "exp_avg_sq"),
                                  .first_book = book_of(code_book(format.bits, true)),
                                  .second_book = book_of(code_book(format.bits, false))};
  device::check(
      format.bits == 8 ? kernels::adamw_8bit(args, stream) : kernels::adamw_4bit(args, stream),
      format.bits == 8 ? "adamw8bit" : "adamw4bit");
}

}  // namespace

void adamw(const Piece& piece, const OptimizerOptions& options, State& state, const StepInfo& info,
           const GradientCheck* check) {
  if (check != nullptr) cuda::check_gradient(piece.gradient, check->flag, check->sum);
  const kernels::Target target = target_of(piece, options, info, check, /*joined=*/true);
  const MomentFormat format = moment_format(options, piece.parameter);
  const cudaStream_t stream = device::stream_of(piece.values);
  kernels::AdamWFactors* factors = nullptr;
  Scratch scratch;
  scratch.add(factors, 1);
  scratch.allocate(piece.values.device());
  device::check(kernels::adamw_begin({.rule = {.beta1 = options.beta1,
                                               .beta2 = options.beta2,
                                               .eps = options.eps,
                                               .lr = info.lr,
                                               .weight_decay = options.weight_decay},
                                      .age = age_of(state),
                                      .factors = factors,
                                      .flag = target.flag,
                                      .age_kept = age_is_kept()},
                                     stream),
                "adamw: factors");
  if (format.quantised()) return update_blocks(format, target, state, factors, stream);
  device::check(
      kernels::adamw({.target = target,
                      .factors = factors,
                      .moment_type = element_of(state["exp_avg"]),
                      .first = state["exp_avg"].data_ptr(),
                      .second = state["exp_avg_sq"].data_ptr(),
                      .first_rounding = moment_rounding(piece, options, info, "exp_avg"),
                      .second_rounding = moment_rounding(piece, options, info, "exp_avg_sq")},
                     stream),
      "adamw");
}

}  // namespace fg::optim::cuda
