#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fg/optim/groups.hpp>
#include <fg/optim/optimizer.hpp>

namespace fg::optim {

/// What is the same for all parameters of a step.
struct StepContext {
  std::uint64_t step = 0;
  std::uint64_t seed = 0;
  double lr_factor = 1;        // the schedule's; each group's lr is multiplied by it
  double gradient_factor = 1;  // from clipping
  /// One float32 on the parameters' GPU, where kernels read it instead of gradient_factor.
  at::Tensor device_factor = {};
};

/// The optimizers and the state of all parameters that lie on this rank.
class OptimizerSet {
public:
  /// Rows of one parameter that lie here.
  struct Held {
    std::string name;
    RowRange rows;
  };
  struct Entry {
    Assignment assignment;
    RowRange rows;
    const Optimizer* optimizer = nullptr;
    State state;
  };

  /// `held` names what lies here; cuts must be at multiples of the optimizers' row_unit.
  OptimizerSet(const Assignments& model, std::span<const Held> held, at::Device device = at::kCPU);
  /// All rows of all parameters.
  explicit OptimizerSet(const Assignments& model, at::Device device = at::kCPU);
  OptimizerSet(const OptimizerSet&) = delete;
  OptimizerSet& operator=(const OptimizerSet&) = delete;

  /// The update of a parameter all of whose rows lie here: checks its gradient, and unless the flag
  /// is raised (by it or by an earlier one) applies it. Writes the gradient's sum of squares,
  /// unclipped, into `sum`, a float32 of one element on the gradient's device.
  void check_and_update(std::string_view name, const at::Tensor& values, const at::Tensor& gradient,
                        const StepContext& context, NumericsFlag& flag, const at::Tensor& sum);

  /// The same for a gradient that check_gradient has seen (exact clipping: all are checked first).
  void update_checked(std::string_view name, const at::Tensor& values, const at::Tensor& gradient,
                      const StepContext& context, const NumericsFlag& flag);

  StepInfo step_info(const Entry& entry, const StepContext& context,
                     const NumericsFlag& flag) const;

  /// In the order of `held`: for phases over cut parameters, checkpoints and reports.
  std::deque<Entry>& entries() noexcept { return entries_; }
  Entry& at(std::string_view name);
  std::uint64_t state_bytes() const;

private:
  const Optimizer& shared_optimizer(const OptimizerOptions& options);

  std::vector<std::unique_ptr<Optimizer>> optimizers_;  // one for each different options
  std::deque<Entry> entries_;
  std::map<std::string, Entry*, std::less<>> by_name_;
};

}  // namespace fg::optim
