#include <algorithm>
#include <map>
#include <queue>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/schedule/simulate.hpp>

namespace fg::schedule {
namespace {

bool is_whole(const Link& link) {
  return link.bytes_per_second >= 0 && link.latency_s >= 0;
}

bool is_whole(const StageCost& cost) {
  return cost.forward >= 0 && cost.backward_input >= 0 && cost.backward_weight >= 0 &&
         cost.reduce >= 0 && cost.update >= 0;
}

void check_input(const Shape& shape, const Costs& costs, const Network& network) {
  const auto counts = [](std::size_t found, int wanted) {
    return std::to_string(found) + " where the plan has " + std::to_string(wanted);
  };
  if (costs.stages.size() != static_cast<std::size_t>(shape.stages))
    fail(ExitCode::usage, "costs of stages: " + counts(costs.stages.size(), shape.stages));
  const std::size_t nodes = network.node_of_rank.size();
  if (nodes != 0 && nodes != static_cast<std::size_t>(shape.ranks))
    fail(ExitCode::usage, "nodes of ranks: " + counts(nodes, shape.ranks));
  const bool whole = std::ranges::all_of(costs.stages, [](const auto& c) { return is_whole(c); }) &&
                     is_whole(network.local) && is_whole(network.wire);
  if (!whole) fail(ExitCode::usage, "costs and links must be numbers of at least 0");
}

/// What keeps a rank from computing anything else meanwhile.
bool occupies(Op op) {
  return is_compute(op) || op == Op::update || op == Op::update_tied;
}

/// An action that ends at a time.
struct End {
  double time;
  std::uint64_t number;  // of equal times the first issued comes first
  Action action;
  int rank;

  bool operator>(const End& other) const {
    return std::pair(time, number) > std::pair(other.time, other.number);
  }
};

class Simulation {
public:
  Simulation(const Plan& plan, const Costs& costs, const Network& network)
      : plan_(plan),
        costs_(costs),
        network_(network),
        shape_(plan.shape),
        done_(shape_.index_count()),
        issued_(shape_.index_count()),
        at_(plan.programs.size()),
        computing_(plan.programs.size()),
        busy_(plan.programs.size()),
        live_(plan.programs.size()),
        peak_live_(plan.programs.size()) {}

  Forecast run() {
    for (int rank = 0; rank < shape_.ranks; ++rank) issue(rank, 0);
    while (!ends_.empty()) {
      const End end = ends_.top();
      ends_.pop();
      makespan_ = std::max(makespan_, end.time);
      done_[shape_.index(end.action)] = true;
      if (end.action.op == Op::backward_weight) --live_[end.rank];
      if (occupies(end.action.op)) computing_[end.rank] = false;
      issue(end.rank, end.time);
      // Without transfers, stages on other ranks wait for the action itself.
      if (!shape_.transfers) issue_neighbours(end);
    }
    for (int rank = 0; rank < shape_.ranks; ++rank)
      FG_CHECK(at_[rank] == plan_.programs[rank].size());
    return forecast();
  }

private:
  bool ready(const Action& action) const {
    return std::ranges::all_of(prerequisites(shape_, action),
                               [&](const Action& needed) { return done_[shape_.index(needed)]; });
  }

  void finish_at(double time, const Action& action) {
    ends_.push({time, number_++, action, shape_.rank_of(action)});
  }

  double cost(const Action& action) const {
    const StageCost& stage = costs_.stages[action.stage];
    switch (action.op) {
      case Op::forward:
        return stage.forward;
      case Op::backward_input:
        return stage.backward_input;
      case Op::backward_weight:
        return stage.backward_weight;
      case Op::reduce_gradients:
        return stage.reduce;
      case Op::update:
        return stage.update;
      default:
        return 0;
    }
  }

  /// Issues what a rank can issue now.
  void issue(int rank, double now) {
    const Program& program = plan_.programs[rank];
    for (; at_[rank] < program.size(); ++at_[rank]) {
      const Action& action = program[at_[rank]];
      if (is_receive(action.op)) continue;  // ends when its send does
      if (occupies(action.op)) {
        if (computing_[rank] || !ready(action)) return;
        compute(rank, now, action);
        continue;
      }
      if (!ready(action)) return;
      if (is_send(action.op))
        transfer(now, action, *counterpart(shape_, action), costs_.boundary_bytes);
      else if (action.op == Op::exchange_tied)
        exchange(now, action);
      else
        finish_at(now + cost(action), action);
    }
  }

  void compute(int rank, double now, const Action& action) {
    const double time = cost(action);
    busy_[rank] += is_compute(action.op) ? time : 0;
    computing_[rank] = true;
    if (action.op == Op::forward) peak_live_[rank] = std::max(peak_live_[rank], ++live_[rank]);
    finish_at(now + time, action);
  }

  /// From the rank of `action`; its peer's `arrival` ends when all is there.
  void transfer(double now, const Action& action, const Action& arrival, std::uint64_t bytes) {
    const int from = shape_.rank_of(action);
    const int to = shape_.rank_of(arrival);
    const std::vector<int>& nodes = network_.node_of_rank;
    const bool on_wire = !nodes.empty() && nodes[from] != nodes[to];
    const Link& link = on_wire ? network_.wire : network_.local;
    const double seconds =
        link.bytes_per_second > 0 ? static_cast<double>(bytes) / link.bytes_per_second : 0;
    double start = now;
    if (on_wire) {
      double& free_at = wire_free_at_[nodes[from]];
      start = std::max(start, free_at);
      free_at = start + seconds;
    }
    if (is_send(action.op)) finish_at(start + seconds, action);
    finish_at(start + seconds + link.latency_s, arrival);
    Traffic& pair = traffic_[{from, to}];
    ++pair.messages;
    pair.bytes += bytes;
  }

  /// Starts when both ends have come to it; each end's X ends when the other's bytes are there.
  void exchange(double now, const Action& action) {
    const Action other = *counterpart(shape_, action);
    issued_[shape_.index(action)] = true;
    if (!issued_[shape_.index(other)]) return;
    transfer(now, action, other, costs_.tied_bytes);
    transfer(now, other, action, costs_.tied_bytes);
  }

  void issue_neighbours(const End& end) {
    const int neighbour = end.action.stage + (end.action.op == Op::forward ? 1 : -1);
    if (!is_compute(end.action.op) || neighbour < 0 || neighbour >= shape_.stages) return;
    issue(shape_.rank_of(neighbour), end.time);
  }

  Forecast forecast() const {
    Forecast result;
    result.makespan = makespan_;
    result.peak_live = peak_live_;
    double all = 0;
    for (const double busy : busy_) {
      result.idle_share.push_back(makespan_ > 0 ? 1 - busy / makespan_ : 0);
      all += busy;
    }
    result.efficiency = makespan_ > 0 ? all / (makespan_ * shape_.ranks) : 1;
    for (const auto& [pair, traffic] : traffic_)
      result.traffic.push_back({pair.first, pair.second, traffic.messages, traffic.bytes});
    return result;
  }

  const Plan& plan_;
  const Costs& costs_;
  const Network& network_;
  const Shape& shape_;
  std::priority_queue<End, std::vector<End>, std::greater<>> ends_;
  std::uint64_t number_ = 0;
  std::vector<bool> done_;
  std::vector<bool> issued_;
  std::vector<std::size_t> at_;
  std::vector<bool> computing_;
  std::vector<double> busy_;
  std::vector<int> live_;
  std::vector<int> peak_live_;
  std::map<int, double> wire_free_at_;  // by node
  std::map<std::pair<int, int>, Traffic> traffic_;
  double makespan_ = 0;
};

}  // namespace

Costs even_costs(const Shape& shape, const StageCost& cost) {
  return {std::vector<StageCost>(static_cast<std::size_t>(shape.stages), cost), 0, 0};
}

Forecast simulate(const Plan& plan, const Costs& costs, const Network& network) {
  check_input(plan.shape, costs, network);
  return Simulation(plan, costs, network).run();
}

double textbook_1f1b(int ranks, int microbatches) {
  return static_cast<double>(microbatches) / (microbatches + ranks - 1);
}

double textbook_zero_bubble_h1(int ranks, int microbatches) {
  return 3.0 * microbatches / (3.0 * microbatches + ranks - 1);
}

}  // namespace fg::schedule
