#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/comm/communicator.hpp>
#include <fg/optim/clipping.hpp>
#include <fg/optim/numerics_flag.hpp>
#include <fg/optim/optimizer_set.hpp>
#include <fg/params/gradients.hpp>
#include <fg/params/parameters.hpp>

namespace fg::engine {

/// A layout's logical tensors as the optimizers know them.
std::vector<optim::Parameter> parameters_of(const params::Layout& layout, at::ScalarType type);

/// When a gradient reaches its optimizer.
enum class UpdateTime : std::uint8_t {
  in_backward,  // as soon as it is complete; its memory is then used again
  on_call,      // by Updater::update
  at_end,  // all of them by Updater::apply: they can be measured, clipped, or thrown away first
};

/// How the tensors of a whole model, on whatever ranks they are, give one norm.
struct NormShare {
  std::vector<std::string> names;       // of all the model's tensors
  std::vector<bool> is_counted;         // by this rank's tensors: each counts on one rank alone
  comm::Communicator* ranks = nullptr;  // nothing: this rank has all
};

/// Brings gradients to the optimizers. The three times give the same bits where they are possible.
/// On a GPU everything is queued and nothing waited for.
class Updater {
public:
  struct Options {
    std::optional<at::ScalarType> kept;  // the buffer's type; needed unless updates are in_backward
    std::optional<UpdateTime> time;      // nothing: at_end where kept, else in_backward
    NormShare share;                     // without names: this rank's own tensors
  };
  /// `parameters`, `optimizers` and `clipper` must outlive this.
  Updater(const params::Parameters& parameters, optim::OptimizerSet& optimizers,
          optim::Clipper& clipper, Options options);
  Updater(const Updater&) = delete;
  Updater& operator=(const Updater&) = delete;

  params::Gradients& gradients() noexcept { return gradients_; }
  UpdateTime time() const noexcept { return time_; }
  /// True where a step's gradients may be thrown away once its numbers are known.
  bool waits_for_numbers() const noexcept { return time_ == UpdateTime::at_end; }

  /// Begins a step of so many microbatches of this rank.
  void begin(std::int64_t microbatches, const optim::StepContext& context);

  /// Updates on_call: checks a logical tensor's complete gradient and applies it.
  void update(std::size_t logical);

  /// Once the backward passes are done. Collective over the share's ranks. `losses`: float64
  /// [microbatches of the step] where this rank knows them, zero elsewhere. Returns, of all ranks,
  /// [Σ losses, norm of all gradients before clipping, 1 where an element was not finite else 0]:
  /// float64 on the parameters' device. Nothing is written after a bad tensor, here or in later
  /// steps, until forget_bad().
  at::Tensor measure(const at::Tensor& losses);
  void forget_bad();

  /// Updates at_end, after measure(): clips and updates, unless the gradients were bad.
  void apply();

  /// What clipping remembers of a step whose norm, as measured, was finite.
  void finished(double norm) { clipper_.finished(norm); }
  /// Takes up what a checkpoint remembers.
  void restore(std::optional<double> last_norm);

private:
  bool is_on_gpu() const { return parameters_.device().is_cuda(); }
  const std::string& name_of(std::size_t logical) const {
    return parameters_.layout().logical[logical].name;
  }
  at::Tensor sum_of(std::size_t logical) const { return sums_.narrow(0, places_[logical], 1); }

  const params::Parameters& parameters_;
  optim::OptimizerSet& optimizers_;
  optim::Clipper& clipper_;
  UpdateTime time_;
  comm::Communicator* ranks_;
  params::Gradients gradients_;
  optim::NumericsFlag flag_;
  optim::StepContext context_;
  std::vector<std::int64_t> places_;  // of this rank's tensors in sums_
  at::Tensor sums_;    // Σ g² of each of the model's tensors; what is not counted here, behind
  at::Tensor order_;   // the model's tensors by name, in which their sums are added
  at::Tensor norm_;    // [1] float64
  at::Tensor factor_;  // [1] float32, what this step's gradients are multiplied by on a GPU
  at::Tensor next_factor_;  // of lagged clipping, from this step's norm
};

/// Σ of float64 numbers, one element on their device; on the CPU in their order.
at::Tensor sum_in_order(const at::Tensor& numbers);

}  // namespace fg::engine
