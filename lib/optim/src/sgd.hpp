#pragma once

#include <fg/optim/optimizer.hpp>

namespace fg::optim {

/// Stochastic gradient descent as in torch.optim.SGD without dampening: momentum and Nesterov's
/// variant optional, weight decay added to the gradient.
class Sgd final : public Optimizer {
public:
  using Optimizer::Optimizer;
  std::vector<StateSpec> state_specs(const Parameter& parameter) const override;
  std::string state_format(const Parameter& parameter) const override;
  void run(std::size_t phase, const Piece& piece, State& state, const StepInfo& info,
           std::span<double> sums) const override;
  void run_on_gpu(const Piece& piece, State& state, const StepInfo& info,
                  const GradientCheck* check) const override;
};

}  // namespace fg::optim
