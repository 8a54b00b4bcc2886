#pragma once

#include <ATen/core/Tensor.h>

namespace fg::ops {

// The gated unit silu(gate) · up (Shazeer, arXiv:2002.05202) on one matrix gate_up [tokens, 2 ·
// width] with the gates first. Computed in fp32 (fp64 for fp64), rounded once as it is stored.

void swiglu_forward(const at::Tensor& gate_up, at::Tensor& output);

/// Writes the gradient of gate_up and, since it has everything at hand, the forward's output again,
/// bit for bit. `output` may be `grad_output` and `grad_gate_up` may be `gate_up`: the backward
/// pass then needs no memory of its own.
void swiglu_backward(const at::Tensor& grad_output, const at::Tensor& gate_up, at::Tensor& output,
                     at::Tensor& grad_gate_up);

}  // namespace fg::ops
