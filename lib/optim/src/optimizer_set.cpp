#include <fg/base/error.hpp>
#include <fg/optim/optimizer_set.hpp>

namespace fg::optim {
namespace {

const Assignment& find(const Assignments& model, std::string_view name) {
  for (const Assignment& assignment : model.of_parameters)
    if (assignment.parameter.name == name) return assignment;
  fail(ExitCode::bug, "the model has no parameter '" + std::string(name) + "' to optimize");
}

bool is_allowed_cut(const Optimizer& optimizer, const Parameter& parameter, RowRange rows) {
  const std::int64_t unit = optimizer.row_unit(parameter);
  const std::int64_t whole = extent_of(parameter).rows;
  const std::int64_t end = rows.first + rows.count;
  return rows.first >= 0 && rows.count >= 0 && end <= whole && rows.first % unit == 0 &&
         (end % unit == 0 || end == whole);
}

std::vector<OptimizerSet::Held> all_of(const Assignments& model) {
  std::vector<OptimizerSet::Held> held;
  for (const Assignment& assignment : model.of_parameters)
    held.push_back({assignment.parameter.name, all_rows(assignment.parameter)});
  return held;
}

}  // namespace

OptimizerSet::OptimizerSet(const Assignments& model, at::Device device)
    : OptimizerSet(model, all_of(model), device) {}

OptimizerSet::OptimizerSet(const Assignments& model, std::span<const Held> held,
                           at::Device device) {
  for (const Held& part : held) {
    const Assignment& assignment = find(model, part.name);
    const Optimizer& optimizer = shared_optimizer(assignment.options);
    FG_CHECK(is_allowed_cut(optimizer, assignment.parameter, part.rows));
    State state(optimizer.state_specs(assignment.parameter), assignment.parameter, part.rows,
                device);
    entries_.push_back({assignment, part.rows, &optimizer, std::move(state)});
    const bool is_new = by_name_.emplace(part.name, &entries_.back()).second;
    FG_CHECK(is_new);
  }
}

void OptimizerSet::check_and_update(std::string_view name, const at::Tensor& values,
                                    const at::Tensor& gradient, const StepContext& context,
                                    NumericsFlag& flag, const at::Tensor& sum) {
  Entry& entry = at(name);
  const Piece piece{entry.assignment.parameter, entry.rows.first, values, gradient};
  optim::check_and_update(*entry.optimizer, piece, entry.state, step_info(entry, context, flag),
                          {flag, sum});
}

void OptimizerSet::update_checked(std::string_view name, const at::Tensor& values,
                                  const at::Tensor& gradient, const StepContext& context,
                                  const NumericsFlag& flag) {
  Entry& entry = at(name);
  const Piece piece{entry.assignment.parameter, entry.rows.first, values, gradient};
  update(*entry.optimizer, piece, entry.state, step_info(entry, context, flag));
}

StepInfo OptimizerSet::step_info(const Entry& entry, const StepContext& context,
                                 const NumericsFlag& flag) const {
  return {context.step,
          context.seed,
          entry.assignment.options.lr * context.lr_factor,
          context.gradient_factor,
          &flag,
          context.device_factor};
}

OptimizerSet::Entry& OptimizerSet::at(std::string_view name) {
  const auto found = by_name_.find(name);
  if (found != by_name_.end()) return *found->second;
  fail(ExitCode::bug, "no optimizer state here for '" + std::string(name) + "'");
}

std::uint64_t OptimizerSet::state_bytes() const {
  std::uint64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.state.bytes();
  return sum;
}

const Optimizer& OptimizerSet::shared_optimizer(const OptimizerOptions& options) {
  for (const auto& optimizer : optimizers_)
    if (optimizer->options() == options) return *optimizer;
  return *optimizers_.emplace_back(make_optimizer(options));
}

}  // namespace fg::optim
