#pragma once

#include <cstdint>
#include <vector>

#include <fg/schedule/plan.hpp>

namespace fg::schedule {

/// Seconds of one action, on the rank that has the stage.
struct StageCost {
  double forward = 1;
  double backward_input = 1;
  double backward_weight = 1;
  double reduce = 0;
  double update = 0;
};

struct Costs {
  std::vector<StageCost> stages;     // head and embedding are part of theirs
  std::uint64_t boundary_bytes = 0;  // one activation, and one gradient of it
  std::uint64_t tied_bytes = 0;      // what each end sends in X
};

/// The same cost for every stage, no bytes.
Costs even_costs(const Shape& shape, const StageCost& cost);

struct Link {
  double bytes_per_second = 0;  // 0: takes no time but the latency
  double latency_s = 0;
};

/// Who is joined how. A node has one wire: what its ranks send to other nodes leaves one after the
/// other, in the order of issue; nothing waits on the way in. Links inside a node are each their
/// own.
struct Network {
  std::vector<int> node_of_rank;  // empty: all on one node
  Link local;
  Link wire;
};

struct Traffic {
  int from = 0;  // ranks
  int to = 0;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;

  friend bool operator==(const Traffic&, const Traffic&) = default;
};

struct Forecast {
  double makespan = 0;             // seconds of the step
  std::vector<double> idle_share;  // by rank, of the makespan
  std::vector<int> peak_live;      // by rank: stages' activations held at once
  std::vector<Traffic> traffic;    // by pair of ranks, sorted; payload of the step
  /// Share of the makespan that ranks compute, over all: 1 is a pipeline without bubble.
  double efficiency = 0;
};

/// Plays one step of a plan without fault and deadlock (Error(bug) if it does not end). A rank
/// issues its actions in order; computing waits for what it needs, transfers go on beside it.
/// Error(usage) if costs or nodes are not as many as stages and ranks, or a number is negative.
Forecast simulate(const Plan& plan, const Costs& costs, const Network& network = {});

/// The share of the step that ranks compute where B includes W and nothing is sent, F + B + W alike
/// on every stage: m / (m + p - 1).
double textbook_1f1b(int ranks, int microbatches);
/// The same for ZB-H1 where F, B and W take the same time: 3m / (3m + p - 1).
double textbook_zero_bubble_h1(int ranks, int microbatches);

}  // namespace fg::schedule
