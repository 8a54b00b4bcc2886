#pragma once

#include <fg/optim/optimizer.hpp>

namespace fg::optim::cuda {

// The twins of what the CPU does, for tensors on a GPU. Without CUDA each is Error(bug).

void check_gradient(const at::Tensor& gradient, NumericsFlag& flag, const at::Tensor& sum);
void clip(const at::Tensor& sums, const at::Tensor& order, double clip_norm, const at::Tensor& norm,
          const at::Tensor& factor, NumericsFlag& flag);

/// All phases for a piece that is its whole parameter; see Optimizer::run_on_gpu.
void adafactor(const Piece& piece, const OptimizerOptions& options, State& state,
               const StepInfo& info, const GradientCheck* check);
void adamw(const Piece& piece, const OptimizerOptions& options, State& state, const StepInfo& info,
           const GradientCheck* check);
void sgd(const Piece& piece, const OptimizerOptions& options, State& state, const StepInfo& info,
         const GradientCheck* check);

}  // namespace fg::optim::cuda
