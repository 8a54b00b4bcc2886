#include <algorithm>
#include <array>
#include <numeric>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/schedule/build.hpp>

namespace fg::schedule {
namespace {

constexpr int max_extra_warmup = 1024;

/// Writes the actions of one stage in the order of their microbatches.
class Writer {
public:
  Writer(Program& program, int stage, int count)
      : program_(program), stage_(stage), count_(count) {}

  void forward() { emit(Op::forward); }
  void backward_input() { emit(Op::backward_input); }
  void backward_weight() { emit(Op::backward_weight); }
  void backward() {
    backward_input();
    backward_weight();
  }
  int forwards() const { return done_[0]; }
  int inputs() const { return done_[1]; }
  int weights() const { return done_[2]; }
  /// Weight gradients whose input gradient is there.
  int owed() const { return inputs() - weights(); }

private:
  /// A rule may be longer than the step: microbatches there are none of are left out.
  void emit(Op op) {
    const int microbatch = done_[static_cast<int>(op)]++;
    if (microbatch < count_) program_.push_back({op, stage_, microbatch});
  }

  Program& program_;
  int stage_;
  int count_;
  std::array<int, 3> done_{};
};

Program gpipe(const Shape& shape, int rank) {
  Program program;
  Writer stage(program, rank, shape.microbatches);
  for (int m = 0; m < shape.microbatches; ++m) stage.forward();
  for (int m = 0; m < shape.microbatches; ++m) stage.backward();
  return program;
}

/// The microbatches that are on their way behind a rank beyond one a rank.
int extra_behind(const Request& request, int rank) {
  if (request.extra_warmup.empty()) return 0;
  return std::accumulate(request.extra_warmup.begin() + rank, request.extra_warmup.end(), 0);
}

/// Rank r may owe up to `debt` weight gradients while forwards remain: 0 is 1F1B, r is ZB-H1, which
/// fills the drain with them and holds no more activations than 1F1B's first rank.
Program one_forward_one_backward(const Request& request, const Shape& shape, int rank, int debt) {
  const int count = shape.microbatches;
  Program program;
  Writer stage(program, rank, count);
  const int too_many = fault_planted("schedule.too_many_live") ? 1 : 0;
  const int warmup =
      std::min(shape.ranks - 1 - rank + extra_behind(request, rank) + too_many, count);
  while (stage.forwards() < warmup) stage.forward();
  while (stage.forwards() < count) {
    stage.forward();
    stage.backward_input();
    if (stage.owed() > debt) stage.backward_weight();
  }
  while (stage.inputs() < count) stage.backward();
  while (stage.weights() < count) stage.backward_weight();
  return program;
}

int interleaved_warmup(const Request& request, int chunks, int rank) {
  return (request.ranks - 1 - rank) * 2 + (chunks - 1) * request.ranks;
}

/// Chunks take turns in groups of `ranks` microbatches. A last group that is not full runs as if it
/// were, less what is not there: leaving whole microbatches out keeps every order right.
Program interleaved(const Request& request, const Shape& shape, int rank) {
  const int ranks = shape.ranks;
  const int chunks = shape.stages / ranks;
  const int total = (shape.microbatches + ranks - 1) / ranks * shape.stages;
  const int warmup = std::min(interleaved_warmup(request, chunks, rank), total);
  Program program;
  int forwards = 0;
  int backwards = 0;
  const auto emit = [&](Op op, int turn, int chunk) {
    const int microbatch = turn / shape.stages * ranks + turn % ranks;
    if (microbatch < shape.microbatches) program.push_back({op, chunk * ranks + rank, microbatch});
  };
  const auto forward = [&] {
    emit(Op::forward, forwards, forwards % shape.stages / ranks);
    ++forwards;
  };
  const auto backward = [&] {
    const int chunk = chunks - 1 - backwards % shape.stages / ranks;
    emit(Op::backward_input, backwards, chunk);
    emit(Op::backward_weight, backwards, chunk);
    ++backwards;
  };
  while (forwards < warmup) forward();
  while (forwards < total) {
    forward();
    backward();
  }
  while (backwards < total) backward();
  return program;
}

/// The static order of ZBV as published: the way down fills the V, then each rank does one forward
/// and one backward of both its stages in turn, then weight gradients fill the drain.
Program zero_bubble_v(const Shape& shape, int rank) {
  const int left = shape.ranks - rank;
  const int count = std::max(shape.microbatches, 2 * shape.ranks - 1);
  Program program;
  Writer down(program, rank, shape.microbatches);
  Writer up(program, shape.stages - 1 - rank, shape.microbatches);
  for (int i = 0; i < 2 * left - 1; ++i) down.forward();
  for (int i = 0; i < rank; ++i) {
    up.forward();
    down.forward();
  }
  for (int i = 0; i < left; ++i) {
    up.forward();
    up.backward();
  }
  while (up.forwards() < count) {
    if (down.forwards() < count) down.forward();
    down.backward();
    up.forward();
    up.backward();
  }
  for (int i = 0; i < rank; ++i) {
    down.backward_input();
    up.backward_input();
  }
  for (int i = 0; i < left; ++i) {
    down.backward_input();
    down.backward_weight();
  }
  while (up.owed() > 0) up.backward_weight();
  while (down.owed() > 0) down.backward_weight();
  return program;
}

Program program_of(const Request& request, const Shape& shape, int rank) {
  switch (request.kind) {
    case Kind::gpipe:
      return gpipe(shape, rank);
    case Kind::one_forward_one_backward:
      return one_forward_one_backward(request, shape, rank, 0);
    case Kind::zero_bubble_h1:
      return one_forward_one_backward(request, shape, rank, rank);
    case Kind::interleaved:
      return interleaved(request, shape, rank);
    case Kind::zero_bubble_v:
      return zero_bubble_v(shape, rank);
  }
  return {};
}

int stages_of(const Request& request) {
  const bool two_a_rank = request.kind == Kind::zero_bubble_v || request.kind == Kind::interleaved;
  if (request.stages == 0) return request.ranks * (two_a_rank ? 2 : 1);
  return request.stages;
}

void check_stages(const Request& request, int stages) {
  const std::string both = std::string(to_string(request.kind)) + ": " + std::to_string(stages) +
                           " stages on " + std::to_string(request.ranks) + " ranks; ";
  const bool is_interleaved = request.kind == Kind::interleaved;
  if (is_interleaved && stages % request.ranks != 0)
    fail(ExitCode::usage, both + "it needs the same number of stages on each rank");
  const int wanted = request.ranks * (request.kind == Kind::zero_bubble_v ? 2 : 1);
  if (!is_interleaved && stages != wanted)
    fail(ExitCode::usage, both + "it needs " + std::to_string(wanted));
}

void check_warmup(const Request& request) {
  const std::vector<int>& extra = request.extra_warmup;
  if (extra.empty()) return;
  const std::string name(to_string(request.kind));
  if (request.kind != Kind::one_forward_one_backward && request.kind != Kind::zero_bubble_h1)
    fail(ExitCode::usage, name + ": it takes no extra warm-up; 1f1b and zb_h1 do");
  if (extra.size() + 1 != static_cast<std::size_t>(request.ranks))
    fail(ExitCode::usage, name + ": extra warm-up for " + std::to_string(extra.size()) +
                              " boundaries between " + std::to_string(request.ranks) + " ranks");
  for (const int more : extra)
    if (more < 0 || more > max_extra_warmup)
      fail(ExitCode::usage, name + ": extra warm-up of " + std::to_string(more) +
                                "; it can be 0 to " + std::to_string(max_extra_warmup));
}

Shape shape_of(const Request& request) {
  Shape shape;
  shape.ranks = request.ranks;
  shape.stages = request.stages;
  shape.microbatches = request.microbatches;
  if (request.ranks >= 1 && request.ranks <= max_ranks) {
    shape.stages = stages_of(request);
    check_stages(request, shape.stages);
    for (int stage = 0; stage < std::min<std::int64_t>(shape.stages, max_cells); ++stage) {
      const bool way_back = request.kind == Kind::zero_bubble_v && stage >= request.ranks;
      shape.rank_of_stage.push_back(way_back ? shape.stages - 1 - stage : stage % request.ranks);
    }
  }
  if (const auto fault = find_shape_fault(shape))
    fail(ExitCode::usage, std::string(to_string(request.kind)) + ": " + *fault);
  check_warmup(request);
  return shape;
}

/// Two neighbouring weight gradients change places.
void swap_microbatches(Program& program) {
  Action* earlier = nullptr;
  for (Action& action : program) {
    if (action.op != Op::backward_weight) continue;
    if (earlier != nullptr && earlier->stage == action.stage) {
      std::swap(*earlier, action);
      return;
    }
    earlier = &action;
  }
}

}  // namespace

std::vector<int> extra_on_wires(const std::vector<int>& node_of_rank, int extra) {
  std::vector<int> result;
  for (std::size_t rank = 1; rank < node_of_rank.size(); ++rank)
    result.push_back(node_of_rank[rank - 1] != node_of_rank[rank] ? extra : 0);
  return result;
}

int live_limit(const Request& request, int rank) {
  const int extra = extra_behind(request, rank);
  const int count = request.microbatches;
  switch (request.kind) {
    case Kind::gpipe:
      return count;
    case Kind::one_forward_one_backward:
      return std::min(request.ranks - rank + extra, count);
    case Kind::zero_bubble_h1:
      return std::min(request.ranks + extra, count);
    case Kind::zero_bubble_v:
      return 2 * std::min(request.ranks, count);
    case Kind::interleaved: {
      const int chunks = stages_of(request) / request.ranks;
      return std::min(interleaved_warmup(request, chunks, rank) + 1, chunks * count);
    }
  }
  return 0;
}

Plan build(const Request& request) {
  Plan plan;
  plan.name = to_string(request.kind);
  plan.shape = shape_of(request);
  for (int rank = 0; rank < request.ranks; ++rank) {
    plan.programs.push_back(program_of(request, plan.shape, rank));
    plan.live_limit.push_back(live_limit(request, rank));
  }
  if (fault_planted("schedule.microbatches_swapped")) swap_microbatches(plan.programs.back());
  if (fault_planted("schedule.weight_dropped")) plan.programs.back().pop_back();
  return plan;
}

}  // namespace fg::schedule
