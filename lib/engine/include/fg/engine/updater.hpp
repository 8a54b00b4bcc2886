#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/optim/clipping.hpp>
#include <fg/optim/numerics_flag.hpp>
#include <fg/optim/optimizer_set.hpp>
#include <fg/params/gradients.hpp>
#include <fg/params/parameters.hpp>

namespace fg::engine {

/// Brings gradients to the optimizers, in one of two ways. Kept: all gradients of a step are there
/// before the first weight changes, so they can be measured, clipped, or thrown away. Not kept:
/// each tensor is updated inside the backward pass as soon as its gradient is complete, and its
/// memory is used again. Both give the same bits where both are possible.
class Updater {
public:
  /// `kept` is the buffer's type. `parameters` and `optimizers` must outlive this.
  Updater(const params::Parameters& parameters, optim::OptimizerSet& optimizers,
          optim::Clipper& clipper, std::optional<at::ScalarType> kept);
  Updater(const Updater&) = delete;
  Updater& operator=(const Updater&) = delete;

  params::Gradients& gradients() noexcept { return gradients_; }
  bool keeps_gradients() const noexcept { return kept_; }

  /// Begins a step of so many microbatches. `context.gradient_factor` is set here.
  void begin(std::int64_t microbatches, const optim::StepContext& context);

  /// What the gradients were, unclipped, once the backward passes are done. Not finite as soon as
  /// one element is not; then nothing was written after the tensor that showed it.
  struct Measure {
    double norm = 0;
    bool finite = true;
  };
  Measure measure();

  /// Kept gradients only: clips and updates. After measure(), which must have been finite.
  void apply();

private:
  at::Tensor sum_of(std::size_t logical) const;

  const params::Parameters& parameters_;
  optim::OptimizerSet& optimizers_;
  optim::Clipper& clipper_;
  bool kept_;
  params::Gradients gradients_;
  optim::NumericsFlag flag_;
  optim::StepContext context_;
  at::Tensor sums_;  // float32 [logical tensors]: Σg² of each
};

}  // namespace fg::engine
