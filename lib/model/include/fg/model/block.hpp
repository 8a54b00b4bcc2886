#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include <fg/model/batch.hpp>
#include <fg/model/saved.hpp>
#include <fg/params/gradients.hpp>

namespace fg::model {

/// What a block keeps for its backward pass. The policies give the same bits.
enum class MemoryPolicy : std::uint8_t {
  keep,        // all that products gave; norms and the gated unit are made again
  checkpoint,  // its input alone; all but the down projection is made again
  offload,     // the same, and the input waits in host memory
};

/// The policies of a process's layers: the first `kept` of them keep, the others have theirs.
struct LayerPolicies {
  std::int64_t kept = 0;
  MemoryPolicy others = MemoryPolicy::checkpoint;

  MemoryPolicy of(std::int64_t layer) const { return layer < kept ? MemoryPolicy::keep : others; }
};

/// A piece of the model whose backward pass is cut in two, so that a schedule may run the halves
/// apart. Activations are [tokens, hidden], contiguous. A block holds no state of a microbatch:
/// that is in `saved`, one for each block and microbatch in flight.
class Block {
public:
  virtual ~Block() = default;

  /// Called some time before backward_input, when another block's backward pass begins.
  virtual void prepare_backward(Saved&) const {}
  virtual at::Tensor forward(const at::Tensor& input, const Batch& batch, Saved& saved) const = 0;
  /// The gradient of the input. `saved` then holds what backward_weight needs. grad_output may be
  /// kept until then and must not change.
  virtual at::Tensor backward_input(const at::Tensor& grad_output, const Batch& batch,
                                    Saved& saved) const = 0;
  /// Brings the gradient of each parameter to `gradients`; afterwards `saved` is empty.
  virtual void backward_weight(const Batch& batch, Saved& saved,
                               params::Gradients& gradients) const = 0;
};

}  // namespace fg::model
