#include <algorithm>
#include <numeric>
#include <set>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/engine/arrangement.hpp>
#include <fg/engine/flops.hpp>

namespace fg::engine {
namespace {

std::string number_of_ranks(int ranks) {
  return std::to_string(ranks) + (ranks == 1 ? " rank" : " ranks");
}

TrainerKind kind_of(const ParallelSettings& settings, const World& world, bool fits_one_device) {
  const bool asks_for_more = settings.pipeline.value_or(1) * settings.data.value_or(1) > 1;
  if (world.ranks == 1 && !asks_for_more) return TrainerKind::basic;  // whatever it is called
  if (settings.trainer) return *settings.trainer;
  if (settings.pipeline.value_or(1) > 1) return TrainerKind::pipeline;
  if (settings.data.value_or(1) > 1) return TrainerKind::ddp;
  return fits_one_device ? TrainerKind::ddp : TrainerKind::pipeline;
}

void require_ranks(const ParallelSettings& settings, const World& world, TrainerKind kind) {
  const auto refuse = [&](const std::string& what) {
    fail(ExitCode::usage, what + ", but the job has " + number_of_ranks(world.ranks));
  };
  if (kind == TrainerKind::basic && world.ranks > 1) refuse("train.trainer basic takes 1 rank");
  const int pipeline = settings.pipeline.value_or(kind == TrainerKind::pipeline ? world.ranks : 1);
  const int data = settings.data.value_or(kind == TrainerKind::ddp ? world.ranks : 1);
  if (kind == TrainerKind::ddp && pipeline > 1)
    fail(ExitCode::usage, "parallel.pipeline is " + std::to_string(pipeline) +
                              ", but train.trainer is ddp; set it to pipeline");
  if (kind == TrainerKind::pipeline && data > 1)
    fail(ExitCode::usage, "parallel.data is " + std::to_string(data) +
                              ": replicas of a pipeline are not there in this version; "
                              "set parallel.data to 1");
  if (kind != TrainerKind::basic && pipeline * data != world.ranks)
    refuse(kind == TrainerKind::ddp
               ? "the configuration asks for " + std::to_string(data) + " replicas (parallel.data)"
               : "the configuration asks for a pipeline of " + number_of_ranks(pipeline));
}

/// Where wires lie: a simulated one parts all ranks.
std::vector<int> nodes_of(const World& world) {
  std::vector<int> nodes = world.node_of_rank;
  nodes.resize(static_cast<std::size_t>(world.ranks), 0);
  if (world.has_simulated_wire && !fault_planted("engine.simulated_wire_unseen"))
    std::iota(nodes.begin(), nodes.end(), 0);
  return nodes;
}

/// In multiplications of one token's forward pass; the embedding only copies.
schedule::ModelCost cost_of(const arch::ModelConfig& config, std::int64_t row_tokens) {
  const double layers = static_cast<double>(std::max<std::int64_t>(1, config.layers));
  const double matrices = static_cast<double>(layer_matrix_elements(config)) / layers;
  const double scores = static_cast<double>(config.heads * config.head_dim * row_tokens);
  schedule::ModelCost cost;
  cost.layers.assign(static_cast<std::size_t>(config.layers), matrices + scores);
  cost.head = static_cast<double>(head_matrix_elements(config));
  return cost;
}

}  // namespace

std::string to_string(TrainerKind kind) {
  switch (kind) {
    case TrainerKind::basic:
      return "basic";
    case TrainerKind::ddp:
      return "ddp";
    case TrainerKind::pipeline:
      break;
  }
  return "pipeline";
}

std::vector<int> Arrangement::stages_of(int of_rank) const {
  std::vector<int> own;
  for (int stage = 0; stage < stages(); ++stage)
    if (rank_of_stage[static_cast<std::size_t>(stage)] == of_rank) own.push_back(stage);
  return own;
}

std::vector<params::Part> Arrangement::parts_of(int of_rank) const {
  std::vector<params::Part> parts;
  for (const int stage : stages_of(of_rank)) {
    const auto place = static_cast<std::size_t>(stage);
    parts.push_back({.first_layer = split.first_layer[place],
                     .last_layer = split.first_layer[place + 1],
                     .has_embedding = stage == 0,
                     .has_head = stage + 1 == stages()});
  }
  return parts;
}

bool Arrangement::are_near(int rank_a, int rank_b) const {
  if (node_of_rank.empty()) return false;
  return node_of_rank[static_cast<std::size_t>(rank_a)] ==
         node_of_rank[static_cast<std::size_t>(rank_b)];
}

std::string Arrangement::node_order_note() const {
  if (trainer != TrainerKind::pipeline || node_of_rank.empty()) return "";
  int wires = 0;
  for (int neighbour = 1; neighbour < ranks; ++neighbour)
    wires += are_near(neighbour - 1, neighbour) ? 0 : 1;
  const int fewest =
      static_cast<int>(std::set<int>(node_of_rank.begin(), node_of_rank.end()).size()) - 1;
  if (wires <= fewest) return "";
  return "ranks of one machine are not next to each other: " + std::to_string(wires) + " of " +
         std::to_string(ranks - 1) + " neighbours talk over the network, " +
         std::to_string(fewest) +
         " would do (mpirun --map-by slot, srun --distribution=block, or the hostfile's order)";
}

std::set<Way> Arrangement::ways() const {
  std::set<Way> all;
  for (int stage = 0; stage + 1 < stages(); ++stage) {
    const int here = rank_of_stage[static_cast<std::size_t>(stage)];
    const int there = rank_of_stage[static_cast<std::size_t>(stage) + 1];
    if (here == there) continue;
    all.insert({.from = here, .to = there, .has_gradients = false});
    all.insert({.from = there, .to = here, .has_gradients = true});
  }
  return all;
}

Links Arrangement::links_of(int of_rank) const {
  if (trainer == TrainerKind::basic || ranks == 1) return {};
  if (trainer == TrainerKind::ddp) return {.background = 1};
  Links links{.numbers = 1};
  for (const Way& way : ways())
    if (way.from == of_rank || way.to == of_rank)
      ++(are_near(way.from, way.to) ? links.near_ways : links.far_ways);
  if (tied_ends_cross() && (of_rank == 0 || of_rank == rank_of_stage.back())) links.sums = 1;
  return links;
}

schedule::Plan Arrangement::plan(int microbatches, schedule::UpdateTime updates) const {
  schedule::Plan plan = schedule::with_transfers(schedule::build({.kind = schedule,
                                                                  .ranks = ranks,
                                                                  .microbatches = microbatches,
                                                                  .stages = stages(),
                                                                  .extra_warmup = extra_warmup}));
  if (tied) plan = schedule::with_tied_exchange(plan);
  return schedule::with_updates(plan, updates);
}

bool Arrangement::is_whole_backward(const schedule::Program& program, std::size_t place) const {
  const bool sends_first = schedule == schedule::Kind::zero_bubble_v;
  const auto next = std::find_if(program.begin() + static_cast<std::ptrdiff_t>(place) + 1,
                                 program.end(), [&](const schedule::Action& each) {
                                   return schedule::is_compute(each.op) ||
                                          (sends_first && each.op == schedule::Op::send_gradient);
                                 });
  const schedule::Action& half = program[place];
  return next != program.end() &&
         *next == schedule::Action{schedule::Op::backward_weight, half.stage, half.microbatch};
}

Held Arrangement::held_by(int of_rank, int microbatches) const {
  if (trainer != TrainerKind::pipeline) return {};
  const schedule::Plan whole = plan(microbatches, schedule::UpdateTime::at_end);
  const schedule::Program& program = whole.programs[static_cast<std::size_t>(of_rank)];
  Held now{.activations = 0, .halves = 0}, most = now;
  for (std::size_t place = 0; place < program.size(); ++place) {
    const schedule::Op op = program[place].op;
    if (op == schedule::Op::forward) ++now.activations;
    if (op == schedule::Op::backward_input && !is_whole_backward(program, place)) ++now.halves;
    most.activations = std::max(most.activations, now.activations);
    most.halves = std::max(most.halves, now.halves);
    if (op != schedule::Op::backward_weight) continue;
    --now.activations;
    now.halves = std::max<std::int64_t>(0, now.halves - 1);
  }
  return most;
}

std::pair<std::size_t, std::size_t> Arrangement::share_of(std::size_t microbatches) const {
  if (trainer != TrainerKind::ddp) return {0, microbatches};
  const auto all = static_cast<std::size_t>(ranks);
  const auto mine =
      static_cast<std::size_t>(fault_planted("engine.shares_swapped") ? ranks - 1 - rank : rank);
  const std::size_t each = microbatches / all;
  const std::size_t more = microbatches % all;
  const std::size_t first = mine * each + std::min(mine, more);
  return {first, first + each + (mine < more ? 1 : 0)};
}

Arrangement arrange(const ParallelSettings& settings, const World& world,
                    const arch::ModelConfig& config, std::int64_t row_tokens,
                    bool fits_one_device) {
  Arrangement result;
  result.trainer = kind_of(settings, world, fits_one_device);
  require_ranks(settings, world, result.trainer);
  result.rank = world.rank;
  result.ranks = world.ranks;
  result.tied = config.tied;
  if (!world.has_simulated_wire) result.node_of_rank = world.node_of_rank;
  if (result.trainer != TrainerKind::pipeline) return result;
  result.schedule = settings.schedule;
  const schedule::Request request{.kind = settings.schedule,
                                  .ranks = world.ranks,
                                  .microbatches = world.ranks,
                                  .stages = static_cast<int>(settings.split.size()),
                                  .extra_warmup = {}};
  result.rank_of_stage = schedule::build(request).shape.rank_of_stage;
  const schedule::ModelCost cost = cost_of(config, row_tokens);
  result.split =
      settings.split.empty()
          ? schedule::split_by_cost(cost, result.rank_of_stage, world.rank_speed)
          : schedule::split_as_given(settings.split, cost, result.rank_of_stage, world.rank_speed);
  if (settings.extra_warmup > 0)
    result.extra_warmup = schedule::extra_on_wires(nodes_of(world), settings.extra_warmup);
  return result;
}

}  // namespace fg::engine
