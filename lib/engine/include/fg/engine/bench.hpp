#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/arch/model_config.hpp>
#include <fg/engine/flops.hpp>
#include <fg/engine/forecast.hpp>
#include <fg/model/block.hpp>
#include <fg/optim/options.hpp>

namespace fg::engine {

/// One training workload without files: random weights, random tokens, all of them trained.
struct BenchTask {
  arch::ModelConfig config;
  at::ScalarType type = at::kFloat;
  at::Device device = at::kCPU;
  std::int64_t rows = 1;
  std::int64_t length = 2048;
  std::int64_t documents = 1;  // of a row, cut at random places
  /// Nothing: as many layers keep their activations as the budget allows, the others checkpoint.
  std::optional<model::MemoryPolicy> policy = model::MemoryPolicy::keep;
  std::optional<std::uint64_t> budget_bytes;  // nothing: what the device has
  optim::Settings optimizer;
  std::int64_t warmup = 3;
  std::int64_t steps = 12;  // timed ones
  std::uint64_t seed = 42;
  bool profiles = false;        // one more step, watched kernel by kernel
  std::filesystem::path trace;  // where its Chrome trace goes; empty: nowhere
};

struct BenchResult {
  std::vector<double> step_seconds;
  Work work;  // of all timed steps
  std::int64_t kept_layers = 0;
  double loss = 0;                   // mean over the tokens of the last step
  std::uint64_t peak_allocated = 0;  // bytes; on the CPU the process's peak, both
  std::uint64_t peak_driver = 0;
  MemoryForecast forecast;
  std::uint64_t host_waits = 0;    // within the timed steps
  std::uint64_t driver_calls = 0;  // for memory, likewise
  /// Seconds of the watched step on the GPU by kind of work ("gemm", …, "idle"); empty on the CPU
  /// and where it was not asked for.
  std::vector<std::pair<std::string, double>> phases;
};

/// Trains with one microbatch a step and the optimizer inside the backward pass. The host does not
/// wait between steps.
BenchResult run_bench(const BenchTask& task);

struct LightResult {
  std::vector<double> step_seconds;
  std::string attention;  // whose: "fg" or "cudnn", the faster one here
};

/// The least that any implementation spends on the task's steps with this device's libraries: the
/// matrix products of the layers (forward, both gradients, and with recomputed activations all but
/// the down projection again), of the head, and attention, one after the other and nothing else.
LightResult run_light(const BenchTask& task, std::int64_t kept_layers);

/// "gemm", "attention", "loss", "optimizer", "copy" or "elementwise", by the name of a kernel.
std::string_view phase_of_kernel(std::string_view name);

}  // namespace fg::engine
