#include "whole_model.hpp"

#include <algorithm>

#include <ATen/ops/zeros.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/engine/evaluation.hpp>
#include <fg/session/pulse.hpp>

namespace fg::engine {
namespace {

/// What the loss's gradient is multiplied by.
double scale_of(const StepTask& task, const model::Batch& batch) {
  static const bool is_mean_of_means = fault_planted("engine.mean_of_means");
  const std::int64_t tokens =
      is_mean_of_means ? batch.trained() * static_cast<std::int64_t>(task.microbatches.size())
                       : task.trained;
  return 1.0 / static_cast<double>(std::max<std::int64_t>(1, tokens));
}

}  // namespace

WholeModel::WholeModel(model::Model& model, Updater& updater, const Arrangement& arrangement,
                       comm::Communicator* replicas)
    : model_(model), updater_(updater), arrangement_(arrangement), replicas_(replicas) {
  // Updates on call come as the sums over replicas do.
  FG_CHECK(replicas_ != nullptr || updater_.time() != UpdateTime::on_call);
  if (replicas_ == nullptr) return;
  FG_CHECK(updater_.time() != UpdateTime::in_backward);
  reducer_.emplace(updater_.gradients(), model_.parameters().layout(), *replicas_);
}

at::Tensor WholeModel::run(const StepTask& task, device::Laps& own) {
  const auto [first, last] = arrangement_.share_of(task.microbatches.size());
  updater_.begin(static_cast<std::int64_t>(last - first), task.context);
  if (reducer_) reducer_->begin(last == first);
  const at::Tensor losses = at::zeros({static_cast<std::int64_t>(task.microbatches.size())},
                                      at::TensorOptions(at::kDouble).device(model_.device()));
  own.begin();
  for (std::size_t index = first; index < last; ++index) {
    session::moved();
    fail_point("train.compute");
    const model::Batch batch = make_batch(model_, task.microbatches[index]);
    const at::Tensor each = model_.train(batch, scale_of(task, batch), updater_.gradients());
    losses.narrow(0, static_cast<std::int64_t>(index), 1).copy_(model::loss_sum(each));
  }
  own.end();
  static const bool counts_twice = fault_planted("engine.loss_counted_twice");
  if (counts_twice && arrangement_.rank == 1) losses.mul_(2);
  if (reducer_)
    reducer_->finish([&](std::size_t logical) {
      if (updater_.time() == UpdateTime::on_call) updater_.update(logical);
    });
  return updater_.measure(losses);
}

at::Tensor WholeModel::losses_of(const Microbatches& batches) {
  const auto [first, last] = arrangement_.share_of(batches.size());
  const at::Tensor losses = at::zeros({static_cast<std::int64_t>(batches.size())},
                                      at::TensorOptions(at::kDouble).device(model_.device()));
  for (std::size_t index = first; index < last; ++index) {
    session::moved();
    const model::Batch batch = make_batch(model_, batches[index]);
    if (batch.trained() == 0) continue;
    losses.narrow(0, static_cast<std::int64_t>(index), 1)
        .copy_(model::loss_sum(model_.evaluate(batch)));
  }
  static const bool leaves_out = fault_planted("engine.last_rank_not_evaluated");
  if (leaves_out && arrangement_.rank + 1 == arrangement_.ranks) losses.zero_();
  if (replicas_ != nullptr) replicas_->all_reduce_sum(losses);
  return losses;
}

}  // namespace fg::engine
