#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Pipeline schedules as data: who does what in which order. Knows no tensors, no MPI, no clocks.
namespace fg::schedule {

/// What one rank does at one place of its program. Only atoms: a backward is always two actions.
enum class Op : std::uint8_t {
  forward,           // F
  backward_input,    // B: the gradient of the stage's input
  backward_weight,   // W: adds the gradients of the stage's parameters
  send_activation,   // SA: of this stage to the next one
  recv_activation,   // RA: for this stage from the one before
  send_gradient,     // SG: of this stage's input to the one before
  recv_gradient,     // RG: for this stage from the next one
  reduce_gradients,  // R: sums the stage's gradients over its data-parallel replicas
  exchange_tied,     // X: first and last stage add up their gradients of the tied embedding
  update,            // U: the optimizer on the stage's tensors, the tied one apart
  update_tied,       // UT: the optimizer on the tied embedding
};
inline constexpr int op_count = 11;

/// Actions that concern a whole stage have no microbatch.
inline constexpr int whole_stage = -1;

struct Action {
  Op op = Op::forward;
  int stage = 0;
  int microbatch = whole_stage;

  friend bool operator==(const Action&, const Action&) = default;
};

bool is_compute(Op op);      // F, B, W
bool is_send(Op op);         // SA, SG
bool is_receive(Op op);      // RA, RG
bool is_whole_stage(Op op);  // R, X, U, UT

/// "2F0", "3SA12", "0UT".
std::string to_string(const Action& action);
/// The action that `to_string` writes so, or nothing.
std::optional<Action> parse_action(std::string_view text);

/// How much of a plan there may be: more is refused where plans are built or read.
inline constexpr int max_ranks = 4096;
inline constexpr std::int64_t max_cells = std::int64_t{1} << 20;  // stages x microbatches

struct Shape {
  int ranks = 0;
  int stages = 0;
  int microbatches = 0;
  std::vector<int> rank_of_stage;  // the placement
  /// What the passes have put in, hence what the plan must hold.
  bool transfers = false;
  bool reductions = false;
  bool tied = false;  // the embedding is also the head
  bool updates = false;

  /// Whether neighbouring stages lie on different ranks. If not, the engine hands tensors over
  /// without an action.
  bool crosses(int stage, int other) const { return rank_of(stage) != rank_of(other); }
  bool tied_ends_cross() const { return tied && crosses(0, stages - 1); }
  int rank_of(int stage) const { return rank_of_stage[static_cast<std::size_t>(stage)]; }
  int rank_of(const Action& action) const { return rank_of(action.stage); }
  /// Where an action's facts lie in a table with an entry for each action there could be.
  std::size_t index(const Action& action) const;
  std::size_t index_count() const;

  friend bool operator==(const Shape&, const Shape&) = default;
};

/// What is wrong with the numbers themselves (sizes, placement, bounds), or nothing. Every other
/// function of this library may be given only shapes that pass.
std::optional<std::string> find_shape_fault(const Shape& shape);

using Program = std::vector<Action>;  // of one rank, in the order of issue

struct Plan {
  std::string name;  // the schedule it was built as, or what a hand-edited one calls itself
  Shape shape;
  std::vector<Program> programs;  // by rank
  /// The most activations (stage and microbatch) a rank may hold between F and the end of W.
  std::vector<int> live_limit;

  friend bool operator==(const Plan&, const Plan&) = default;
};

/// The only place that knows what must precede what. Without transfers a stage waits for its
/// neighbour itself, with them for the message.
std::vector<Action> prerequisites(const Shape& shape, const Action& action);

/// The action at the other end of a send, receive or exchange; nothing for all others.
std::optional<Action> counterpart(const Shape& shape, const Action& action);

/// A stable hash (FNV-1a, 64 bits, of the CSV text) for ranks to compare; 16 hexadecimal digits.
std::string fingerprint(const Plan& plan);

}  // namespace fg::schedule
