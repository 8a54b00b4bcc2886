#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/data/row.hpp>
#include <fg/device/timer.hpp>
#include <fg/engine/flops.hpp>
#include <fg/engine/updater.hpp>
#include <fg/model/model.hpp>

namespace fg::engine {

using Microbatches = std::vector<std::vector<data::Row>>;

/// What microbatches come to, before any of them goes through a model.
Work work_of(const arch::ModelConfig& config, const Microbatches& microbatches);

/// One optimizer step.
struct StepTask {
  const Microbatches& microbatches;  // of the whole step, the same on every rank
  std::int64_t trained = 0;          // tokens that are predicted in all of them
  optim::StepContext context;
};

/// One rank's share of a job's work: which microbatches or layers are its own, and what it must
/// tell the others. Collective over all ranks of the job, which give it the same arguments. One
/// thread.
class StepRunner {
public:
  virtual ~StepRunner() = default;

  /// Forward, backward and what is exchanged; updates unless they wait for the numbers, which are
  /// those of Updater::measure. `own` gets the stretches in which this rank computes and waits for
  /// nobody.
  virtual at::Tensor run(const StepTask& task, device::Laps& own) = 0;
  /// Forward alone: the sum of each batch's losses, float64 [batches], on every rank.
  virtual at::Tensor losses_of(const Microbatches& batches) = 0;
};

}  // namespace fg::engine
