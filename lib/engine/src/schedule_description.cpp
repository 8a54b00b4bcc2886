#include <algorithm>
#include <cstdio>

#include <fg/base/units.hpp>
#include <fg/comm/communicator.hpp>
#include <fg/engine/run_plan.hpp>
#include <fg/schedule/simulate.hpp>
#include <fg/schedule/table.hpp>
#include <fg/schedule/wire.hpp>

namespace fg::engine {
namespace {

constexpr std::size_t table_width = 110;

/// Positions of a microbatch on average; of a full one where the data is not known.
double mean_tokens(const RunSettings& settings, const RunPlan& plan) {
  const auto rows = static_cast<double>(settings.batch.microbatch_rows);
  if (!plan.train) return rows * static_cast<double>(settings.data.train.seq_len);
  const auto epoch = plan.train->at(0);
  return rows * static_cast<double>(epoch->tokens()) / static_cast<double>(epoch->rows());
}

/// True where the engine runs both halves of all backward passes as one, and sends behind both.
bool has_whole_backward(const Arrangement& ranks, const schedule::Plan& order) {
  for (const schedule::Program& program : order.programs)
    for (std::size_t place = 0; place < program.size(); ++place)
      if (program[place].op == schedule::Op::backward_input &&
          !ranks.is_whole_backward(program, place))
        return false;
  return true;
}

/// Forward, and each half of backward, at what the split counts: relative times.
schedule::Costs costs_of(const RunSettings& settings, const RunPlan& plan,
                         const schedule::Plan& order) {
  schedule::Costs costs;
  const auto element = static_cast<double>(c10::elementSize(plan.type));
  const bool is_whole = has_whole_backward(plan.arrangement, order);
  for (const double cost : plan.arrangement.split.cost)
    costs.stages.push_back({.forward = cost,
                            .backward_input = is_whole ? 2 * cost : cost,
                            .backward_weight = is_whole ? 0 : cost});
  costs.boundary_bytes = static_cast<std::uint64_t>(
      mean_tokens(settings, plan) * static_cast<double>(plan.config.hidden_size) * element);
  const double kept = plan.kept ? static_cast<double>(c10::elementSize(*plan.kept)) : element;
  if (plan.arrangement.tied_ends_cross())
    costs.tied_bytes = static_cast<std::uint64_t>(
        static_cast<double>(plan.config.vocab_size * plan.config.hidden_size) * kept);
  return costs;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
  return text;
}

/// What the simulator finds of the ranks, in units of a mean stage's forward pass.
std::vector<std::string> rank_lines(const schedule::Forecast& forecast,
                                    const schedule::Costs& costs) {
  double forward = 0;
  for (const schedule::StageCost& stage : costs.stages) forward += stage.forward;
  char passes[32];
  std::snprintf(passes, sizeof passes, "%.1f",
                forecast.makespan * static_cast<double>(costs.stages.size()) / forward);
  std::string idle = "a step takes as long as " + std::string(passes) +
                     " forward passes of a mean stage; by rank, idle:";
  for (const double share : forecast.idle_share) idle += " " + percent(share);
  std::string held = "activations held at once, by rank, in microbatches of a stage:";
  for (const int live : forecast.peak_live) held += " " + std::to_string(live);
  return {idle, held};
}

std::string wire_line(const std::vector<schedule::Traffic>& traffic) {
  std::string line = "bytes on the wire a step:";
  for (const schedule::Traffic& each : traffic)
    line += (line.back() == ':' ? " rank " : ", rank ") + std::to_string(each.from) + " -> " +
            std::to_string(each.to) + ": " + std::to_string(each.bytes);
  return line;
}

}  // namespace

std::vector<std::string> describe_schedule(const RunSettings& settings, const RunPlan& plan) {
  const Arrangement& ranks = plan.arrangement;
  if (ranks.trainer != TrainerKind::pipeline) return {};
  const schedule::Plan order =
      ranks.plan(static_cast<int>(plan.microbatches), plan.update_time == UpdateTime::at_end
                                                          ? schedule::UpdateTime::at_end
                                                          : schedule::UpdateTime::at_once);
  const schedule::Costs costs = costs_of(settings, plan, order);
  const schedule::Forecast forecast = schedule::simulate(order, costs);
  std::vector<std::string> lines = lines_of(schedule::to_string(ranks.split, ranks.rank_of_stage));
  lines.push_back("one step, a row a rank, without the time of messages:");
  for (std::string& line : lines_of(schedule::table(order, table_width)))
    lines.push_back(std::move(line));
  lines.push_back(percent(forecast.efficiency) +
                  " of the ranks' time computes, if forward and each half of backward take alike; "
                  "the split is balanced to " +
                  percent(ranks.split.balance()));
  for (std::string& line : rank_lines(forecast, costs)) lines.push_back(std::move(line));
  schedule::Framing framing;
  framing.message_header = settings.device.is_cpu() ? comm::message_header_bytes : 0;
  lines.push_back(wire_line(schedule::bytes_on_wire(forecast.traffic, framing)));
  lines.push_back("plan " + schedule::fingerprint(order));
  return lines;
}

}  // namespace fg::engine
