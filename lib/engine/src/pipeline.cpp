#include "pipeline.hpp"

#include <algorithm>
#include <deque>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/engine/evaluation.hpp>
#include <fg/session/pulse.hpp>

namespace fg::engine {
namespace {

using schedule::Action;
using schedule::Op;

bool holds(const params::Part& part, const params::FusedTensor& fused) {
  switch (fused.role) {
    case params::Role::embedding:
      return part.has_embedding;
    case params::Role::head:
    case params::Role::final_norm:
      return part.has_head;
    default:
      return fused.layer >= part.first_layer && fused.layer < part.last_layer;
  }
}

/// The planted fault: updates are moved before their stage's last backward pass.
void update_too_early(schedule::Plan& plan) {
  for (schedule::Program& program : plan.programs)
    for (auto update = program.begin(); update != program.end(); ++update) {
      if (update->op != Op::update) continue;
      const auto last =
          std::find_if(std::make_reverse_iterator(update), program.rend(), [&](const Action& each) {
            return each.op == Op::backward_input && each.stage == update->stage;
          });
      std::rotate(last.base() - 1, update, update + 1);
    }
}

}  // namespace

/// What is under way of one step, by part and microbatch of this rank.
struct Pipeline::Walk {
  Walk(const Arrangement& arrangement, const Microbatches& given, at::Device device)
      : stages(arrangement.stages_of(arrangement.rank)), microbatches(given) {
    batches.resize(given.size());
    for (std::size_t part = 0; part < stages.size(); ++part) cells.emplace_back(given.size());
    losses = at::zeros({static_cast<std::int64_t>(given.size())},
                       at::TensorOptions(at::kDouble).device(device));
  }

  /// One microbatch in one part.
  struct Cell {
    model::Pass pass;
    at::Tensor input, output;  // activations
    at::Tensor grad_output, grad_input;
    comm::Pending input_comes, grad_comes;
    bool is_done = false;  // both halves of its backward pass
  };

  std::size_t part_of(int stage) const {
    const auto found = std::ranges::find(stages, stage);
    FG_CHECK(found != stages.end());
    return static_cast<std::size_t>(found - stages.begin());
  }
  bool has(int stage) const { return std::ranges::find(stages, stage) != stages.end(); }
  Cell& cell(int stage, int microbatch) {
    return cells[part_of(stage)][static_cast<std::size_t>(microbatch)];
  }
  const model::Batch& batch(model::Model& model, int microbatch) {
    auto& made = batches[static_cast<std::size_t>(microbatch)];
    if (!made) made = make_batch(model, microbatches[static_cast<std::size_t>(microbatch)]);
    return *made;
  }

  std::vector<int> stages;
  const Microbatches& microbatches;
  const StepTask* task = nullptr;  // nothing: forward alone
  device::Laps* own = nullptr;     // of a task
  std::vector<std::optional<model::Batch>> batches;
  std::vector<std::vector<Cell>> cells;
  std::deque<comm::Pending> sends;
  at::Tensor losses;
};

Pipeline::Pipeline(model::Model& model, Updater& updater, const Arrangement& arrangement,
                   comm::Communicator& ranks)
    : model_(model), updater_(updater), arrangement_(arrangement), ranks_(ranks) {
  FG_CHECK(updater_.time() != UpdateTime::in_backward);
  connect(ranks);
  const params::Layout& layout = model_.parameters().layout();
  tensors_of_part_.resize(model_.parts().size());
  for (std::size_t index = 0; index < layout.logical.size(); ++index) {
    const params::FusedTensor& fused = layout.fused[layout.logical[index].fused];
    if (arrangement_.tied && fused.role == params::Role::embedding) {
      tied_tensor_ = index;
      continue;
    }
    for (std::size_t part = 0; part < model_.parts().size(); ++part)
      if (holds(model_.parts()[part], fused)) tensors_of_part_[part].push_back(index);
  }
}

Pipeline::~Pipeline() = default;

comm::Traffic Pipeline::traffic_between(int from, int to) const {
  // Over a wire a receive must be there before its message.
  return arrangement_.are_near(from, to) ? comm::Traffic::near_messages : comm::Traffic::messages;
}

void Pipeline::connect(comm::Communicator& ranks) {
  const int me = arrangement_.rank;
  for (const Way& way : arrangement_.ways())
    if (way.from == me || way.to == me)
      channels_[way] = ranks.group({way.from, way.to}, traffic_between(way.from, way.to));
  const int last = arrangement_.rank_of_stage.back();
  if (arrangement_.tied_ends_cross() && (me == 0 || me == last))
    tied_ends_ = ranks.group({0, last});
}

const schedule::Plan& Pipeline::plan_of(std::size_t microbatches) {
  auto& plan = plans_[microbatches];
  if (!plan.programs.empty()) return plan;
  plan = arrangement_.plan(static_cast<int>(microbatches), updater_.waits_for_numbers()
                                                               ? schedule::UpdateTime::at_end
                                                               : schedule::UpdateTime::at_once);
  if (fault_planted("engine.update_too_early")) update_too_early(plan);
  return plan;
}

void Pipeline::forward(const Action& action, Walk& walk) {
  Walk::Cell& cell = walk.cell(action.stage, action.microbatch);
  const std::size_t part = walk.part_of(action.stage);
  cell.input_comes.wait();
  static const bool is_stale = fault_planted("engine.stale_documents");
  const bool is_late = is_stale && action.microbatch > 0 && action.stage > 0;
  const model::Batch& batch = walk.batch(model_, action.microbatch - (is_late ? 1 : 0));
  const at::Tensor input = std::exchange(cell.input, at::Tensor());
  at::Tensor output;
  if (walk.task != nullptr) {
    cell.pass.part = part;
    walk.own->begin();
    fail_point("train.compute");
    output = model_.forward(input, batch, cell.pass);
    walk.own->end();
  } else {
    output = model_.infer(part, input, batch);
  }
  const bool is_last = action.stage + 1 == arrangement_.stages();
  if (is_last && walk.task == nullptr)
    walk.losses.narrow(0, action.microbatch, 1).copy_(model::loss_sum(output));
  if (is_last) return;
  if (walk.has(action.stage + 1))
    walk.cell(action.stage + 1, action.microbatch).input = output;
  else
    cell.output = output;
}

void Pipeline::backward(const schedule::Program& program, std::size_t place, Walk& walk) {
  const Action& action = program[place];
  Walk::Cell& cell = walk.cell(action.stage, action.microbatch);
  cell.grad_comes.wait();
  static const bool takes_first = fault_planted("engine.backward_of_first_batch");
  const model::Batch& batch = walk.batch(model_, takes_first ? 0 : action.microbatch);
  const double scale = 1.0 / static_cast<double>(std::max<std::int64_t>(1, walk.task->trained));
  const at::Tensor gradient = std::exchange(cell.grad_output, at::Tensor());
  // Where the other half follows at once, block by block takes less memory.
  cell.is_done = arrangement_.is_whole_backward(program, place);
  params::Gradients& gradients = updater_.gradients();
  walk.own->begin();
  const at::Tensor grad_input =
      cell.is_done ? model_.backward(gradient, batch, scale, cell.pass, gradients)
                   : model_.backward_input(gradient, batch, scale, cell.pass, gradients);
  walk.own->end();
  if (cell.pass.losses.defined())
    walk.losses.narrow(0, action.microbatch, 1)
        .copy_(model::loss_sum(std::exchange(cell.pass.losses, at::Tensor())));
  if (action.stage == 0) return;
  if (walk.has(action.stage - 1))
    walk.cell(action.stage - 1, action.microbatch).grad_output = grad_input;
  else
    cell.grad_input = grad_input;
}

void Pipeline::send(const Action& action, Walk& walk) {
  Walk::Cell& cell = walk.cell(action.stage, action.microbatch);
  const bool is_activation = action.op == Op::send_activation;
  const int stage = action.stage + (is_activation ? 1 : -1);
  const int to = arrangement_.rank_of_stage[static_cast<std::size_t>(stage)];
  at::Tensor& tensor = is_activation ? cell.output : cell.grad_input;
  walk.sends.push_back(channel({arrangement_.rank, to, !is_activation})
                           .isend(std::exchange(tensor, at::Tensor()), 1));
  while (!walk.sends.empty() && walk.sends.front().is_done()) walk.sends.pop_front();
}

void Pipeline::receive(const Action& action, Walk& walk) {
  Walk::Cell& cell = walk.cell(action.stage, action.microbatch);
  const bool is_activation = action.op == Op::recv_activation;
  const int stage = action.stage + (is_activation ? -1 : 1);
  const int from = arrangement_.rank_of_stage[static_cast<std::size_t>(stage)];
  const at::Tensor tensor =
      at::empty({walk.batch(model_, action.microbatch).tokens(), model_.config().hidden_size},
                at::TensorOptions(model_.parameters().type()).device(model_.device()));
  (is_activation ? cell.input : cell.grad_output) = tensor;
  (is_activation ? cell.input_comes : cell.grad_comes) =
      channel({from, arrangement_.rank, !is_activation}).irecv(tensor, 0);
}

void Pipeline::exchange_tied() {
  if (!tied_ends_ || fault_planted("engine.tied_ends_not_summed")) return;
  tied_ends_->all_reduce_sum(updater_.gradients().logical(*tied_tensor_));
}

void Pipeline::update(const Action& action, const Walk& walk) {
  const bool is_tied = action.op == Op::update_tied;
  if (is_tied && !arrangement_.tied_ends_cross()) updater_.gradients().join_tied();
  if (updater_.waits_for_numbers()) return;
  if (is_tied) return updater_.update(*tied_tensor_);
  for (const std::size_t logical : tensors_of_part_[walk.part_of(action.stage)])
    updater_.update(logical);
}

void Pipeline::do_action(const schedule::Program& program, std::size_t place, Walk& walk) {
  const Action& action = program[place];
  fail_point("train.pipeline_action");
  switch (action.op) {
    case Op::forward:
      return forward(action, walk);
    case Op::backward_input:
      return backward(program, place, walk);
    case Op::backward_weight: {
      Walk::Cell& cell = walk.cell(action.stage, action.microbatch);
      walk.own->begin();
      if (!cell.is_done)
        model_.backward_weight(walk.batch(model_, action.microbatch), cell.pass,
                               updater_.gradients());
      walk.own->end();
      cell.pass = {};
      return;
    }
    case Op::send_activation:
    case Op::send_gradient:
      return send(action, walk);
    case Op::recv_activation:
    case Op::recv_gradient:
      return receive(action, walk);
    case Op::exchange_tied:
      return exchange_tied();
    case Op::update:
    case Op::update_tied:
      return update(action, walk);
    case Op::reduce_gradients:
      break;
  }
  fail(ExitCode::bug, "a pipeline alone has no replicas to reduce gradients over");
}

void Pipeline::follow(const schedule::Program& program, Walk& walk) {
  for (std::size_t place = 0; place < program.size(); ++place) {
    do_action(program, place, walk);
    session::moved();
    for (auto& [way, each] : channels_) each->poll();
  }
  for (comm::Pending& each : walk.sends) each.wait();
}

at::Tensor Pipeline::run(const StepTask& task, device::Laps& own) {
  Walk walk(arrangement_, task.microbatches, model_.device());
  walk.task = &task;
  walk.own = &own;
  updater_.begin(static_cast<std::int64_t>(task.microbatches.size()), task.context);
  follow(plan_of(task.microbatches.size()).programs[static_cast<std::size_t>(arrangement_.rank)],
         walk);
  return updater_.measure(walk.losses);
}

at::Tensor Pipeline::losses_of(const Microbatches& batches) {
  Walk walk(arrangement_, batches, model_.device());
  const schedule::Program program = schedule::forward_part(
      plan_of(batches.size()).programs[static_cast<std::size_t>(arrangement_.rank)]);
  follow(program, walk);
  ranks_.all_reduce_sum(walk.losses);
  return walk.losses;
}

}  // namespace fg::engine
