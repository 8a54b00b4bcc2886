#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/arch/model_config.hpp>
#include <fg/engine/arrangement.hpp>
#include <fg/model/block.hpp>
#include <fg/optim/groups.hpp>
#include <fg/params/layout.hpp>

namespace fg::engine {

/// What decides about memory; nothing is allocated to find it out.
struct MemoryQuestion {
  const arch::ModelConfig& config;
  const params::Layout& layout;
  at::ScalarType type = at::kFloat;
  at::Device device = at::kCPU;
  model::LayerPolicies policies = {};
  std::vector<params::Part> parts = {};     // of the model that are here; none: all of it
  Held held = {};                           // by a pipeline's rank
  Links links = {};                         // to other ranks
  std::int64_t microbatch_tokens = 0;       // of the longest microbatch
  std::int64_t microbatches = 1;            // of one step on this rank
  std::optional<at::ScalarType> kept = {};  // the gradient buffer, if any
  const optim::Assignments& optimizer;
};

/// Bytes at the peak of a training step, part by part: of the process, beyond what it has before
/// the model is made; on a GPU, of all tensors there and of NCCL's buffers (the driver's context,
/// half a gibibyte, comes on top).
struct MemoryForecast {
  std::int64_t weights = 0;
  std::int64_t gradients = 0;  // the buffer, and what one tensor's gradient is formed in
  std::int64_t optimizer = 0;
  std::int64_t activations = 0;  // what all layers save
  std::int64_t working = 0;      // of the layer or head at whose turn the peak comes
  std::int64_t libraries = 0;    // LibTorch's and the allocator's own
  std::int64_t links = 0;        // NCCL's buffers between ranks with GPUs

  std::int64_t total() const;
  /// What LibTorch's allocator sees of it.
  std::int64_t in_tensors() const { return total() - links; }
  /// Each part's name and bytes, in the order above.
  std::vector<std::pair<std::string, std::int64_t>> parts() const;
};

MemoryForecast forecast_memory(const MemoryQuestion& question);

/// One policy for all layers; or where none is wanted, as many layers that keep as fit into so many
/// bytes, the others checkpointing, or on a GPU offloading where even that is too much.
model::LayerPolicies choose_policies(MemoryQuestion question,
                                     std::optional<model::MemoryPolicy> wanted,
                                     std::uint64_t budget_bytes);

}  // namespace fg::engine
