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

/// A layout's logical tensors as the optimizers know them.
std::vector<optim::Parameter> parameters_of(const params::Layout& layout, at::ScalarType type);

/// Brings gradients to the optimizers, in one of two ways. Kept: all gradients of a step are there
/// before the first weight changes, so they can be measured, clipped, or thrown away. Not kept:
/// each tensor is updated inside the backward pass as soon as its gradient is complete, and its
/// memory is used again. Both give the same bits where both are possible. On a GPU everything is
/// queued and nothing waited for.
class Updater {
public:
  /// `kept` is the buffer's type. `parameters` and `optimizers` must outlive this.
  Updater(const params::Parameters& parameters, optim::OptimizerSet& optimizers,
          optim::Clipper& clipper, std::optional<at::ScalarType> kept);
  Updater(const Updater&) = delete;
  Updater& operator=(const Updater&) = delete;

  params::Gradients& gradients() noexcept { return gradients_; }
  bool keeps_gradients() const noexcept { return kept_; }

  /// Begins a step of so many microbatches. `context`'s clipping factors are set here.
  void begin(std::int64_t microbatches, const optim::StepContext& context);

  /// Once the backward passes are done: the norm of all gradients, unclipped, and 1 where an
  /// element was not finite, else 0: [2] float64 on the parameters' device. Nothing is written
  /// after a bad tensor, here or in later steps, until forget_bad().
  at::Tensor measure();
  void forget_bad();

  /// Kept gradients only, after measure(): clips and updates, unless they were bad.
  void apply();

  /// What clipping remembers of a step whose norm, as measured, was finite.
  void finished(double norm) { clipper_.finished(norm); }
  /// Takes up what a checkpoint remembers.
  void restore(std::optional<double> last_norm);

private:
  bool is_on_gpu() const { return parameters_.device().is_cuda(); }
  at::Tensor sum_of(std::size_t logical) const {
    return sums_.narrow(0, static_cast<std::int64_t>(logical), 1);
  }

  const params::Parameters& parameters_;
  optim::OptimizerSet& optimizers_;
  optim::Clipper& clipper_;
  bool kept_;
  params::Gradients gradients_;
  optim::NumericsFlag flag_;
  optim::StepContext context_;
  at::Tensor sums_;         // Σ g² of each logical tensor
  at::Tensor order_;        // their indices by name, in which they are added
  at::Tensor norm_;         // [1] float64
  at::Tensor factor_;       // [1] float32, what this step's gradients are multiplied by on a GPU
  at::Tensor next_factor_;  // of lagged clipping, from this step's norm
};

}  // namespace fg::engine
