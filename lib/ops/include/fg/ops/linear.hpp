#pragma once

#include <ATen/core/Tensor.h>

namespace fg::ops {

// A linear layer y = x Wᵀ + b: x [tokens, inputs], W [outputs, inputs], b [outputs] or undefined.
// All tensors of a call have one floating type, rows may be strided. fp16 and bf16 products are
// summed in fp32 and rounded once (the bias added before). Zero tokens, inputs or outputs are
// allowed. Outputs have their shape already, are overwritten and must not overlap the inputs.

void linear_forward(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                    at::Tensor& output);

/// grad_input = grad_output W.
void linear_backward_input(const at::Tensor& grad_output, const at::Tensor& weight,
                           at::Tensor& grad_input);

/// grad_weight = grad_outputᵀ x, formed alone: microbatches are added afterwards
/// (params::Gradients).
void linear_backward_weight(const at::Tensor& grad_output, const at::Tensor& input,
                            at::Tensor& grad_weight);

/// The same on a GPU, added to `total` or in place of its content: in the operands' type or in
/// float32, the product not rounded to the operands' type before.
void linear_backward_weight_into(const at::Tensor& grad_output, const at::Tensor& input,
                                 bool is_first, at::Tensor& total);

/// grad_bias = column sums of grad_output, accumulated in fp32 (fp64 for fp64) by blocks of 64
/// rows: the same bits for any number of threads. On a GPU by blocks that depend on the shape
/// alone.
void linear_backward_bias(const at::Tensor& grad_output, at::Tensor& grad_bias);

}  // namespace fg::ops
