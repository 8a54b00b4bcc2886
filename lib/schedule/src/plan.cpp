#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include <fg/schedule/csv.hpp>
#include <fg/schedule/plan.hpp>

namespace fg::schedule {
namespace {

constexpr std::array<std::string_view, op_count> spelling = {"F",  "B", "W", "SA", "RA", "SG",
                                                             "RG", "R", "X", "U",  "UT"};

/// Reads digits without sign or needless zeros off the front of `text`.
std::optional<int> take_number(std::string_view& text) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return {};
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto length = static_cast<std::size_t>(end - text.data());
  if (error != std::errc{} || (text[0] == '0' && length > 1)) return {};
  text.remove_prefix(length);
  return value;
}

/// R or, where nothing is reduced, the last W: after this a stage's own gradients are whole.
Action gradients_whole(const Shape& shape, int stage) {
  if (shape.reductions) return {Op::reduce_gradients, stage};
  return {Op::backward_weight, stage, shape.microbatches - 1};
}

std::vector<Action> before_whole_stage(const Shape& shape, const Action& action) {
  const int last = shape.stages - 1;
  switch (action.op) {
    case Op::reduce_gradients: {
      std::vector<Action> all;
      for (int m = 0; m < shape.microbatches; ++m)
        all.push_back({Op::backward_weight, action.stage, m});
      return all;
    }
    case Op::update_tied:
      if (shape.tied_ends_cross()) return {{Op::exchange_tied, action.stage}};
      if (last == 0) return {gradients_whole(shape, 0)};
      return {gradients_whole(shape, 0), gradients_whole(shape, last)};
    default: {  // X and U
      if (shape.reductions) return {gradients_whole(shape, action.stage)};
      return before_whole_stage(shape, {Op::reduce_gradients, action.stage});
    }
  }
}

}  // namespace

bool is_compute(Op op) {
  return op <= Op::backward_weight;
}
bool is_send(Op op) {
  return op == Op::send_activation || op == Op::send_gradient;
}
bool is_receive(Op op) {
  return op == Op::recv_activation || op == Op::recv_gradient;
}
bool is_whole_stage(Op op) {
  return op >= Op::reduce_gradients;
}

std::string to_string(const Action& action) {
  std::string text = std::to_string(action.stage);
  text += spelling[static_cast<std::size_t>(action.op)];
  if (action.microbatch != whole_stage) text += std::to_string(action.microbatch);
  return text;
}

std::optional<Action> parse_action(std::string_view text) {
  const std::optional<int> stage = take_number(text);
  if (!stage) return {};
  const std::size_t letters = std::min(text.find_first_of("0123456789"), text.size());
  const auto* const found = std::find(spelling.begin(), spelling.end(), text.substr(0, letters));
  if (found == spelling.end()) return {};
  Action action{static_cast<Op>(found - spelling.begin()), *stage, whole_stage};
  text.remove_prefix(letters);
  if (is_whole_stage(action.op)) return text.empty() ? std::optional(action) : std::nullopt;
  const std::optional<int> microbatch = take_number(text);
  if (!microbatch || !text.empty()) return {};
  action.microbatch = *microbatch;
  return action;
}

std::size_t Shape::index(const Action& action) const {
  constexpr int first_whole = static_cast<int>(Op::reduce_gradients);
  const int op = static_cast<int>(action.op);
  const int place = is_whole_stage(action.op)
                        ? (first_whole * microbatches + op - first_whole) * stages + action.stage
                        : (op * stages + action.stage) * microbatches + action.microbatch;
  return static_cast<std::size_t>(place);
}

std::size_t Shape::index_count() const {
  return index({Op::update_tied, stages - 1, whole_stage}) + 1;
}

std::optional<std::string> find_shape_fault(const Shape& shape) {
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  if (shape.ranks < 1 || shape.ranks > max_ranks)
    return number(shape.ranks) + " ranks; a plan has 1 to " + number(max_ranks);
  if (shape.microbatches < 1) return number(shape.microbatches) + " microbatches; a plan has some";
  if (shape.stages < shape.ranks)
    return number(shape.stages) + " stages for " + number(shape.ranks) +
           " ranks; each rank needs one";
  if (std::int64_t{shape.stages} * shape.microbatches > max_cells)
    return number(shape.stages) + " stages x " + number(shape.microbatches) +
           " microbatches; a plan holds at most " + number(max_cells);
  if (shape.rank_of_stage.size() != static_cast<std::size_t>(shape.stages))
    return "places for " + number(static_cast<std::int64_t>(shape.rank_of_stage.size())) +
           " stages, where the plan has " + number(shape.stages);
  std::vector<bool> used(static_cast<std::size_t>(shape.ranks));
  for (int stage = 0; stage < shape.stages; ++stage) {
    const int rank = shape.rank_of(stage);
    if (rank < 0 || rank >= shape.ranks)
      return "stage " + number(stage) + " is placed on rank " + number(rank) + " of " +
             number(shape.ranks);
    used[rank] = true;
  }
  for (int rank = 0; rank < shape.ranks; ++rank)
    if (!used[rank]) return "rank " + std::to_string(rank) + " has no stage";
  return {};
}

std::vector<Action> prerequisites(const Shape& shape, const Action& action) {
  const int stage = action.stage;
  const int microbatch = action.microbatch;
  const auto crosses = [&](int other) { return shape.transfers && shape.crosses(stage, other); };
  switch (action.op) {
    case Op::forward:
      if (stage == 0) return {};
      return {{crosses(stage - 1) ? Action{Op::recv_activation, stage, microbatch}
                                  : Action{Op::forward, stage - 1, microbatch}}};
    case Op::backward_input:
      if (stage == shape.stages - 1) return {{Op::forward, stage, microbatch}};
      return {{Op::forward, stage, microbatch},
              crosses(stage + 1) ? Action{Op::recv_gradient, stage, microbatch}
                                 : Action{Op::backward_input, stage + 1, microbatch}};
    case Op::backward_weight:
      return {{Op::backward_input, stage, microbatch}};
    case Op::send_activation:
      return {{Op::forward, stage, microbatch}};
    case Op::recv_activation:
      return {{Op::send_activation, stage - 1, microbatch}};
    case Op::send_gradient:
      return {{Op::backward_input, stage, microbatch}};
    case Op::recv_gradient:
      return {{Op::send_gradient, stage + 1, microbatch}};
    default:
      return before_whole_stage(shape, action);
  }
}

std::optional<Action> counterpart(const Shape& shape, const Action& action) {
  const auto [op, stage, microbatch] = action;
  switch (op) {
    case Op::send_activation:
      return Action{Op::recv_activation, stage + 1, microbatch};
    case Op::recv_activation:
      return Action{Op::send_activation, stage - 1, microbatch};
    case Op::send_gradient:
      return Action{Op::recv_gradient, stage - 1, microbatch};
    case Op::recv_gradient:
      return Action{Op::send_gradient, stage + 1, microbatch};
    case Op::exchange_tied:
      return Action{op, stage == 0 ? shape.stages - 1 : 0, microbatch};
    default:
      return {};
  }
}

std::string fingerprint(const Plan& plan) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : to_csv(plan)) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 0x100000001b3;
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace fg::schedule
