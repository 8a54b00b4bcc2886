#pragma once

#include <fg/optim/optimizer.hpp>

namespace fg::optim {

/// AdamW (Loshchilov, Hutter, arXiv:1711.05101), moments in float32, bfloat16, 8 or 4 bits.
class AdamW final : public Optimizer {
public:
  using Optimizer::Optimizer;
  std::vector<StateSpec> state_specs(const Parameter& parameter) const override;
  std::string state_format(const Parameter& parameter) const override;
  std::int64_t row_unit(const Parameter& parameter) const override;
  void run(std::size_t phase, const Piece& piece, State& state, const StepInfo& info,
           std::span<double> sums) const override;
  void run_on_gpu(const Piece& piece, State& state, const StepInfo& info,
                  const GradientCheck* check) const override;
};

}  // namespace fg::optim
