#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <fg/optim/numerics_flag.hpp>
#include <fg/optim/options.hpp>
#include <fg/optim/parameter.hpp>
#include <fg/optim/state.hpp>

namespace fg::optim {

/// What is the same for every parameter of one step, but for `lr`, which belongs to a group.
struct StepInfo {
  std::uint64_t step = 0;  // counts the random words; not the age of a state, which is its "step"
  std::uint64_t seed = 0;
  double lr = 0;
  double gradient_factor = 1;          // from clipping; gradients are multiplied by it in float32
  const NumericsFlag* flag = nullptr;  // nothing is written while it is raised; may be absent
  /// One float32 on the parameters' GPU, where kernels read it instead of gradient_factor.
  at::Tensor device_factor = {};
};

/// What check_gradient is given besides the gradient.
struct GradientCheck {
  NumericsFlag& flag;
  const at::Tensor& sum;
};

/// The rule by which one logical tensor changes. Stateless and shared: what it remembers lies in
/// `State`. All arithmetic is in float32 (sums in double); what is written to a bfloat16 tensor is
/// rounded once, stochastically if the options say so, with random words that count by (seed, step,
/// parameter name, logical index): results do not depend on storage, threads or the order of calls.
/// They do not depend on row cuts either, except that sums over ranks are added rank by rank. The
/// random words on a GPU are the CPU's.
class Optimizer {
public:
  explicit Optimizer(const OptimizerOptions& options);
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  const OptimizerOptions& options() const noexcept { return options_; }

  /// The tensors kept for this parameter; the bytes are known before anything is allocated.
  virtual std::vector<StateSpec> state_specs(const Parameter& parameter) const = 0;

  /// The state in words, for tables: "m, v 4-bit".
  virtual std::string state_format(const Parameter& parameter) const = 0;

  /// Rows may be cut only at multiples of this (blocks of quantised state never straddle a cut).
  virtual std::int64_t row_unit(const Parameter& parameter) const;

  /// An update runs in phases 0, 1, …; phase k leaves `phase_sums()[k]` doubles that must be added
  /// over all ranks which hold rows of the parameter before phase k + 1. The last leaves none.
  virtual std::vector<std::size_t> phase_sums(const Parameter& parameter) const;

  /// Runs one phase. `sums` holds the sums of all phases one after the other, zero before the first
  /// phase and kept from phase to phase. The gradient must be finite (check_gradient). State
  /// changes from the first phase on, weights only in the last.
  virtual void run(std::size_t phase, const Piece& piece, State& state, const StepInfo& info,
                   std::span<double> sums) const = 0;

  /// The same for tensors on a GPU, for a parameter whose rows all lie here: all phases, their sums
  /// and the age stay there. With `check` the gradient is checked first, in the pass that reads it
  /// anyway where there is one; without, it must have been.
  virtual void run_on_gpu(const Piece& piece, State& state, const StepInfo& info,
                          const GradientCheck* check) const = 0;

private:
  OptimizerOptions options_;
};

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options);

/// All phases for a parameter whose rows all lie here. The gradient must have been checked.
void update(const Optimizer& optimizer, const Piece& piece, State& state, const StepInfo& info);

/// The same for a gradient that has not: check_gradient, then the update unless the flag is raised
/// (by it or by an earlier one). `info.flag` should be the flag of the check.
void check_and_update(const Optimizer& optimizer, const Piece& piece, State& state,
                      const StepInfo& info, const GradientCheck& check);

}  // namespace fg::optim
