#include "fg/engine/bench.hpp"

#include <algorithm>

#include <ATen/Context.h>

#include <fg/base/error.hpp>
#include <fg/device/device.hpp>
#include <fg/device/errors.hpp>
#include <fg/device/memory.hpp>
#include <fg/device/profile.hpp>
#include <fg/device/timer.hpp>
#include <fg/engine/process_memory.hpp>
#include <fg/engine/updater.hpp>
#include <fg/log/log.hpp>
#include <fg/model/model.hpp>

#include "bench_phases.hpp"
#include "bench_tokens.hpp"

namespace fg::engine {
namespace {

bool is_norm(params::Role role) {
  using enum params::Role;
  return role == input_norm || role == post_norm || role == final_norm || role == q_norm ||
         role == k_norm;
}

bool is_bias(params::Role role) {
  using enum params::Role;
  return role == qkv_bias || role == output_bias || role == gate_up_bias || role == down_bias;
}

/// Random weights made where they lie: their bits are the device's own, unlike params::initialise.
void randomise(const params::Parameters& parameters, const BenchTask& task) {
  at::Generator generator = at::globalContext().defaultGenerator(task.device);
  generator.set_current_seed(task.seed);
  for (std::size_t index = 0; index < parameters.layout().logical.size(); ++index) {
    const params::LogicalTensor& tensor = parameters.layout().logical[index];
    const params::Role role = parameters.layout().fused[tensor.fused].role;
    const at::Tensor values = parameters.logical(index);
    if (is_norm(role))
      values.fill_(1);
    else if (is_bias(role))
      values.zero_();
    else
      values.normal_(0, task.config.initializer_range, generator);
  }
}

/// The model and all that trains it.
class Bench {
public:
  explicit Bench(const BenchTask& task)
      : task_(task),
        budget_(task.budget_bytes.value_or(available_memory(task.device))),
        layout_(params::plan_layout(task.config, params::whole(task.config))),
        assignments_(optim::assign_groups(task.optimizer, {}, parameters_of(layout_, task.type))),
        model_(task.config, task.type, task.device),
        optimizers_(assignments_, task.device),
        clipper_({}),
        updater_(model_.parameters(), optimizers_, clipper_, {}),
        tokens_(task) {}

  BenchResult run() {
    BenchResult result;
    set_policies(result);
    randomise(model_.parameters(), task_);
    for (std::int64_t step = 0; step < task_.warmup; ++step) this->step();
    device::synchronise(task_.device);
    device::reset_peak(task_.device);
    time_steps(result);
    measure_memory(result);
    if (task_.profiles) watch_step(result);
    return result;
  }

private:
  void set_policies(BenchResult& result) {
    MemoryQuestion question{.config = task_.config,
                            .layout = layout_,
                            .type = task_.type,
                            .device = task_.device,
                            .microbatch_tokens = task_.rows * task_.length,
                            .optimizer = assignments_};
    question.policies = choose_policies(question, task_.policy, budget_);
    result.kept_layers = question.policies.kept;
    result.forecast = forecast_memory(question);
    model_.set_policies(question.policies);
  }

  Work step() {
    const BenchTokens::Rows rows = tokens_.next();
    const model::Batch batch = model_.make_batch(rows.ids, rows.lengths, rows.targets);
    updater_.begin(1, {.step = ++steps_, .seed = task_.seed});
    const double scale = 1.0 / static_cast<double>(std::max<std::int64_t>(1, batch.trained()));
    losses_ = model_.train(batch, scale, updater_.gradients());
    measured_ = updater_.measure(model::loss_sum(losses_).view({1}));
    Work work{.tokens = batch.tokens(), .trained = batch.trained()};
    for (const std::int64_t length : rows.lengths)
      work.attended_pairs += attended_pairs(task_.config, length);
    return work;
  }

  void time_steps(BenchResult& result) {
    const std::uint64_t waits = device::host_waits();
    const std::uint64_t calls = device::memory_of(task_.device).driver_calls;
    device::Timer timer(task_.device);
    timer.mark();
    for (std::int64_t step = 0; step < task_.steps; ++step) {
      result.work += this->step();
      timer.mark();
    }
    result.host_waits = device::host_waits() - waits;
    result.driver_calls = device::memory_of(task_.device).driver_calls - calls;
    result.step_seconds = timer.seconds();
    result.loss = losses_.to(at::kCPU).to(at::kDouble).mean().item<double>();
  }

  void measure_memory(BenchResult& result) const {
    if (task_.device.is_cpu()) {
      result.peak_allocated = result.peak_driver = process_memory().peak_resident;
      return;
    }
    const device::Memory memory = device::memory_of(task_.device);
    result.peak_allocated = memory.peak_allocated;
    result.peak_driver = memory.driver_used;  // nothing has been given back since the peak
  }

  void watch_step(BenchResult& result) {
    try {
      device::Profile profile;
      step();
      device::synchronise(task_.device);
      result.phases = phases_of(profile.finish(task_.trace));
    } catch (const c10::Error& error) {  // what was measured before still counts
      log::warning(std::string("the profiler does not work here: ") +
                   error.what_without_backtrace());
    }
  }

  const BenchTask& task_;
  std::uint64_t budget_;  // as it was before anything was allocated
  params::Layout layout_;
  optim::Assignments assignments_;
  model::Model model_;
  optim::OptimizerSet optimizers_;
  optim::Clipper clipper_;
  Updater updater_;
  BenchTokens tokens_;
  std::uint64_t steps_ = 0;
  at::Tensor losses_;    // of the last step
  at::Tensor measured_;  // its norm and flag, where a real step reads them
};

}  // namespace

BenchResult run_bench(const BenchTask& task) {
  device::use(task.device);
  device::release_unused(task.device);  // of an earlier bench
  return device::translating_errors("Take fewer or shorter rows, or --policy checkpoint.",
                                    [&] { return Bench(task).run(); });
}

}  // namespace fg::engine
