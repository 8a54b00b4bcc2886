#pragma once

#include <fg/optim/optimizer.hpp>

namespace fg::optim {

/// Adafactor (Shazeer, Stern, arXiv:1804.04235) without momentum, in three phases: statistics of
/// the squared gradient; the sum of squares of the update they give; the update itself.
class Adafactor final : public Optimizer {
public:
  using Optimizer::Optimizer;
  std::vector<StateSpec> state_specs(const Parameter& parameter) const override;
  std::string state_format(const Parameter& parameter) const override;
  std::vector<std::size_t> phase_sums(const Parameter& parameter) const override;
  void run(std::size_t phase, const Piece& piece, State& state, const StepInfo& info,
           std::span<double> sums) const override;
  void run_on_gpu(const Piece& piece, State& state, const StepInfo& info,
                  const GradientCheck* check) const override;
};

}  // namespace fg::optim
