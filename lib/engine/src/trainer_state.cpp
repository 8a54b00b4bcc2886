#include <vector>

#include <fg/checkpoint/reader.hpp>
#include <fg/engine/trainer_state.hpp>

namespace fg::engine {
namespace {

Json number_or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json to_json(const Interval& interval) {
  return {{"loss_sum", interval.loss_sum},
          {"tokens", interval.work.tokens},
          {"trained", interval.work.trained},
          {"attended_pairs", interval.work.attended_pairs},
          {"steps", interval.steps}};
}

void read_interval(const checkpoint::JsonFields& fields, Interval& interval) {
  interval.loss_sum = fields.number("loss_sum");
  interval.work.tokens = static_cast<std::int64_t>(fields.whole_number("tokens"));
  interval.work.trained = static_cast<std::int64_t>(fields.whole_number("trained"));
  interval.work.attended_pairs = fields.number("attended_pairs");
  interval.steps = fields.whole_number("steps");
}

Json to_json(const optim::NumericsGuard::Memory& memory) {
  return {{"losses", std::vector<double>(memory.losses.begin(), memory.losses.end())},
          {"skipped", std::vector<std::uint64_t>(memory.skipped.begin(), memory.skipped.end())},
          {"rollback_step", memory.rollback_step},
          {"rollbacks", memory.rollbacks}};
}

void read_guard(const checkpoint::JsonFields& fields, optim::NumericsGuard::Memory& memory) {
  for (const Json& loss : fields.array("losses")) memory.losses.push_back(loss.get<double>());
  for (const Json& step : fields.array("skipped"))
    memory.skipped.push_back(step.get<std::uint64_t>());
  memory.rollback_step = fields.whole_number("rollback_step");
  memory.rollbacks = fields.whole_number("rollbacks");
}

std::optional<double> optional_number(const checkpoint::JsonFields& fields, const char* key) {
  if (!fields.has(key) || fields.value().at(key).is_null()) return std::nullopt;
  return fields.number(key);
}

}  // namespace

double Interval::mean_loss() const {
  return work.trained > 0 ? loss_sum / static_cast<double>(work.trained) : 0.0;
}

Json to_json(const TrainerState& state) {
  return {{"step", state.step},
          {"cursor", {{"epoch", state.cursor.epoch}, {"row", state.cursor.row}}},
          {"tokens", state.tokens},
          {"trained_tokens", state.trained_tokens},
          {"interval", to_json(state.interval)},
          {"last_norm", number_or_null(state.last_norm)},
          {"guard", to_json(state.guard)},
          {"best_loss", number_or_null(state.best_loss)},
          {"best_step", state.best_step},
          {"evaluations_without_gain", state.evaluations_without_gain}};
}

TrainerState parse_trainer_state(const checkpoint::JsonFields& fields) {
  TrainerState state;
  state.step = fields.whole_number("step");
  const checkpoint::JsonFields cursor = fields.object("cursor");
  state.cursor = {cursor.whole_number("epoch"), cursor.whole_number("row")};
  state.tokens = fields.whole_number("tokens");
  state.trained_tokens = fields.whole_number("trained_tokens");
  read_interval(fields.object("interval"), state.interval);
  state.last_norm = optional_number(fields, "last_norm");
  read_guard(fields.object("guard"), state.guard);
  state.best_loss = optional_number(fields, "best_loss");
  state.best_step = fields.whole_number("best_step");
  state.evaluations_without_gain = fields.whole_number("evaluations_without_gain");
  return state;
}

}  // namespace fg::engine
