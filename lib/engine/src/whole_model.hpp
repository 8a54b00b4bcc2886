#pragma once

#include <fg/engine/arrangement.hpp>
#include <fg/engine/step_runner.hpp>

#include "reducer.hpp"

namespace fg::engine {

/// A rank that has all of the model: it runs its share of the microbatches. With several such ranks
/// (ddp) gradients are added up over them, beside the backward pass of the last microbatch.
class WholeModel final : public StepRunner {
public:
  /// All must outlive this. `replicas`: all ranks, or nothing where there is one.
  WholeModel(model::Model& model, Updater& updater, const Arrangement& arrangement,
             comm::Communicator* replicas);

  at::Tensor run(const StepTask& task, device::Laps& own) override;
  at::Tensor losses_of(const Microbatches& batches) override;

private:
  model::Model& model_;
  Updater& updater_;
  const Arrangement& arrangement_;
  comm::Communicator* replicas_;
  std::optional<Reducer> reducer_;
};

}  // namespace fg::engine
