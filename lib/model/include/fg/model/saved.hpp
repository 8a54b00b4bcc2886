#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include <fg/device/parking.hpp>

namespace fg::model {

/// What a block keeps of a microbatch between forward and backward, and between the two halves of
/// the backward pass.
enum class Keep : std::uint8_t {
  input,      // of the block
  input_rms,  // 1 / rms of each token, of the norm before attention
  qkv,        // rotated, or before the norms of q and k where the model has them
  q_rms,
  k_rms,
  attended,  // attention's output
  log_sum,   // of its softmax
  middle,    // the residual stream between attention and MLP
  middle_rms,
  gate_up,
  grad_output,
  activation,  // the MLP's gated unit
  grad_gate_up,
  grad_middle,
  grad_qkv,
  grad_input_norm,  // gradients of the norms' weights, small enough to be made early
  grad_q_norm,
  grad_k_norm,
  grad_post_norm,
  count,
};

class Saved {
public:
  at::Tensor& operator[](Keep what) { return tensors_[static_cast<std::size_t>(what)]; }
  const at::Tensor& operator[](Keep what) const { return tensors_[static_cast<std::size_t>(what)]; }
  void drop(Keep what) { (*this)[what] = at::Tensor(); }
  void clear() {
    tensors_ = {};
    parked_input.reset();
  }
  /// The block's input where it waits on the host (MemoryPolicy::offload).
  std::shared_ptr<device::Parked> parked_input;

  /// Of the tensors held, views counted by their own size.
  std::int64_t bytes() const;

private:
  std::array<at::Tensor, static_cast<std::size_t>(Keep::count)> tensors_;
};

}  // namespace fg::model
