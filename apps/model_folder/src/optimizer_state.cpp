#include <optional>
#include <set>
#include <string_view>

#include <fg/arch/tensor_names.hpp>
#include <fg/base/error.hpp>

#include "plan_parts.hpp"

namespace fg::model_folder {
namespace {

using store::TensorUse;
using Kind = RowFill::Kind;

/// What a state tensor is to its parameter, by the name the optimizers give it
/// (docs/optimizers.md).
struct StateKind {
  enum class Rows : std::uint8_t {
    none,
    plain,
    coded
  };  // coded: one row of the parameter is a
      // whole number of elements
  Rows rows = Rows::none;
  Kind new_row = Kind::zero;  // of a token whose weights are not a copy
};

/// New rows, where the weights' row is a copy: a copy of the state too, for the token is the twin
/// of the other. Else the first moment is zero: no direction is known. The second moment, or
/// Adafactor's row statistic, is the mean of the rows: the state's age says that its decay has long
/// settled, and with a statistic of zero the first steps of the row would be up to
/// 1/sqrt(1 - beta2) = 32 times the learning rate. The mean can only make them smaller. A quantised
/// second moment gets the mean of the blocks' largest values, the largest code everywhere.
std::optional<StateKind> kind_of(std::string_view name) {
  using Rows = StateKind::Rows;
  if (name == "step" || name == "col") return StateKind{};
  if (name == "row" || name == "exp_avg_sq") return StateKind{Rows::plain, Kind::mean};
  if (name == "exp_avg" || name == "momentum_buffer") return StateKind{Rows::plain, Kind::zero};
  if (name == "exp_avg_sq.codes") return StateKind{Rows::coded, Kind::ones};
  if (name == "exp_avg_sq.scale") return StateKind{Rows::coded, Kind::mean};
  for (const char* first :
       {"exp_avg.codes", "exp_avg.scale", "momentum_buffer.codes", "momentum_buffer.scale"})
    if (name == first) return StateKind{Rows::coded, Kind::zero};
  return std::nullopt;
}

/// Gives a state tensor the rows that its parameter gets. False where it cannot have them.
bool grow(OutputTensor& tensor, const StateKind& kind, const OutputTensor& parameter,
          std::uint64_t old_rows) {
  if (kind.rows == StateKind::Rows::none) return true;
  std::vector<std::uint64_t>& shape = tensor.info.shape;
  const bool plain = kind.rows == StateKind::Rows::plain;
  if (shape.empty() || old_rows == 0 || shape[0] % old_rows != 0) return false;
  if (plain ? shape[0] != old_rows : shape.size() != 1) return false;
  if (kind.new_row == Kind::mean && !store::is_floating(tensor.info.dtype)) return false;
  tensor.row_elements = *store::element_count(shape) / old_rows;
  tensor.mean_rows = parameter.mean_rows;
  tensor.fills = parameter.fills;
  for (RowFill& fill : tensor.fills)
    if (fill.kind != Kind::copy) fill.kind = kind.new_row;
  shape[0] = shape[0] / old_rows * parameter.info.shape[0];
  return true;
}

/// The parameter among embedding and head whose state this is; null for all others.
const OutputTensor* parameter_of(const Plan& plan, std::string_view state) {
  for (const std::string_view name : {arch::embedding_name, arch::head_name}) {
    if (!state.starts_with(name) || state.substr(name.size(), 1) != ".") continue;
    for (std::size_t i = 0; i < plan.weight_count; ++i)
      if (plan.tensors[i].info.name == name) return &plan.tensors[i];
  }
  return nullptr;
}

}  // namespace

void plan_optimizer_state(Plan& plan, const Source& source) {
  const auto found = source.tensors(TensorUse::optimizer);
  if (found.empty())
    fail(ExitCode::cannot_load,
         "--keep-optimizer: the checkpoint holds no optimizer state (plain SGD keeps none)");
  const bool grows = !plan.tokens.rows.empty() || plan.tokens.new_rows != plan.tokens.old_rows;
  const auto old_rows = static_cast<std::uint64_t>(plan.tokens.old_rows);
  std::vector<OutputTensor> states;
  std::set<std::string> dropped;  // parameters
  for (std::size_t i = 0; i < found.size(); ++i) {
    OutputTensor state;
    state.info = found[i];
    state.use = TensorUse::optimizer;
    state.source = i;
    const OutputTensor* parameter = grows ? parameter_of(plan, found[i].name) : nullptr;
    if (parameter != nullptr) {
      const auto kind =
          kind_of(std::string_view(found[i].name).substr(parameter->info.name.size() + 1));
      if (!kind || !grow(state, *kind, *parameter, old_rows)) dropped.insert(parameter->info.name);
    }
    states.push_back(std::move(state));
  }
  // Half a parameter's state would be worse than none.
  std::erase_if(states, [&](const OutputTensor& state) {
    const OutputTensor* parameter = parameter_of(plan, state.info.name);
    return parameter != nullptr && dropped.contains(parameter->info.name);
  });
  for (const std::string& name : dropped)
    plan.warnings.push_back("the optimizer state of " + name +
                            " cannot grow by the new rows (its blocks do not end with rows); it is "
                            "left out and starts afresh");

  OutputShard shard{
      .name = optimizer_file, .format = store::WeightFormat::hdf5, .tensors = {}, .bytes = 0};
  for (OutputTensor& state : states) {
    shard.tensors.push_back(plan.tensors.size());
    shard.bytes += store::byte_count(state.info);
    plan.slices.optimizer.push_back(
        {state.info, {{0, store::row_count(state.info.shape), optimizer_file}}});
    plan.tensors.push_back(std::move(state));
  }
  plan.total_bytes += shard.bytes;
  plan.shards.push_back(std::move(shard));
}

}  // namespace fg::model_folder
