#include <string>

#include <fg/base/error.hpp>

#include "cuda_optim.hpp"

// A build without CUDA.
namespace fg::optim::cuda {
namespace {

[[noreturn]] void refuse(const char* what) {
  fail(ExitCode::bug, std::string(what) + " on a GPU: this build has no CUDA");
}

}  // namespace

void check_gradient(const at::Tensor&, NumericsFlag&, const at::Tensor&) {
  refuse("check_gradient");
}

void clip(const at::Tensor&, const at::Tensor&, double, const at::Tensor&, const at::Tensor&,
          NumericsFlag&) {
  refuse("clip_on_device");
}

void adafactor(const Piece&, const OptimizerOptions&, State&, const StepInfo&,
               const GradientCheck*) {
  refuse("adafactor");
}

void adamw(const Piece&, const OptimizerOptions&, State&, const StepInfo&, const GradientCheck*) {
  refuse("adamw");
}

void sgd(const Piece&, const OptimizerOptions&, State&, const StepInfo&, const GradientCheck*) {
  refuse("sgd");
}

}  // namespace fg::optim::cuda
