#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fg/arch/model_config.hpp>
#include <fg/params/layout.hpp>
#include <fg/schedule/build.hpp>
#include <fg/schedule/passes.hpp>
#include <fg/schedule/plan.hpp>
#include <fg/schedule/split.hpp>

namespace fg::engine {

/// How the ranks of a job share a model: one rank alone; each rank has all of it and takes some of
/// the microbatches; each has some of its layers and takes all microbatches.
enum class TrainerKind : std::uint8_t { basic, ddp, pipeline };
std::string to_string(TrainerKind kind);

/// The job that a process belongs to.
struct World {
  int rank = 0;
  int ranks = 1;
  std::vector<int> node_of_rank;    // empty: all on one machine
  bool has_simulated_wire = false;  // between any two ranks
  std::vector<double> rank_speed;   // relative; empty: all alike
};

struct ParallelSettings {
  std::optional<TrainerKind> trainer;  // nothing: as the ranks and their memory allow
  std::optional<int> pipeline;         // ranks of a pipeline
  std::optional<int> data;             // replicas
  schedule::Kind schedule = schedule::Kind::one_forward_one_backward;
  std::vector<int> split;  // layers of each stage; empty: by cost
  int extra_warmup = 0;    // more microbatches on their way between machines
};

/// What a rank of a pipeline holds at its worst, in microbatches of one of its stages.
struct Held {
  std::int64_t activations = 1;  // from forward to the end of backward
  std::int64_t halves = 0;       // of those, between the halves of their backward pass
};

/// Messages of one kind from one rank of a pipeline to another. Where both kinds go that way, each
/// has a queue of its own: one that nobody takes yet holds up none of the other kind.
struct Way {
  int from = 0;
  int to = 0;
  bool has_gradients = false;  // else activations

  friend auto operator<=>(const Way&, const Way&) = default;
};

/// The groups in which a rank exchanges tensors with others, by what they are for.
struct Links {
  int sums = 0;        // of a tied embedding's ends
  int background = 0;  // sums of gradients beside the backward pass
  int numbers = 0;     // sums of losses and norms alone
  int near_ways = 0;   // to or from a neighbour on this machine
  int far_ways = 0;    // the same over a wire

  friend bool operator==(const Links&, const Links&) = default;
};

/// Who does what. The same on every rank but for `rank`.
struct Arrangement {
  TrainerKind trainer = TrainerKind::basic;
  int rank = 0;
  int ranks = 1;

  // Of a pipeline.
  schedule::Kind schedule = schedule::Kind::one_forward_one_backward;
  std::vector<int> rank_of_stage;
  schedule::Split split;
  std::vector<int> extra_warmup;
  bool tied = false;              // the model's embedding is its head
  std::vector<int> node_of_rank;  // empty: as if each had a machine of its own

  int stages() const { return static_cast<int>(rank_of_stage.size()); }
  /// In their order; the parts of the model that the rank's process holds are in the same order.
  std::vector<int> stages_of(int of_rank) const;
  std::vector<params::Part> parts_of(int of_rank) const;
  /// True where two ranks have a copy of the tied weight each.
  bool tied_ends_cross() const { return tied && stages() > 1 && rank_of_stage.back() != 0; }
  /// True where no wire lies between two ranks.
  bool are_near(int rank_a, int rank_b) const;
  /// What to say where the machines of neighbours alternate, so that more goes over the network
  /// than need be; else "".
  std::string node_order_note() const;
  /// Of all ranks, in an order that is the same on each.
  std::set<Way> ways() const;
  Links links_of(int of_rank) const;
  /// The order of one step of so many microbatches, on all ranks.
  schedule::Plan plan(int microbatches, schedule::UpdateTime updates) const;
  /// True where both halves of the backward pass at `place` of a program are done together, block
  /// by block: the other half follows without computing between them. A V, whose ranks wait for
  /// each gradient, sends it first where one leaves.
  bool is_whole_backward(const schedule::Program& program, std::size_t place) const;
  /// In a step of so many microbatches. {1, 0} unless this is a pipeline.
  Held held_by(int of_rank, int microbatches) const;
  /// The first of this rank's microbatches in a step of so many, and one past its last: with ddp
  /// ranks take turns of neighbouring ones, of which the first ranks may have one more.
  std::pair<std::size_t, std::size_t> share_of(std::size_t microbatches) const;
};

/// Error(usage), with both numbers, where the ranks do not fit what is asked for.
/// `fits_one_device`: of a whole model's training, for the choice between ddp and pipeline.
Arrangement arrange(const ParallelSettings& settings, const World& world,
                    const arch::ModelConfig& config, std::int64_t row_tokens, bool fits_one_device);

}  // namespace fg::engine
