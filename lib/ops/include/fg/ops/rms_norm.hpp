#pragma once

#include <ATen/core/Tensor.h>

namespace fg::ops {

// Root mean square normalisation, y = w · x / sqrt(mean(x²) + eps) (Zhang and Sennrich,
// arXiv:1910.07467), over the last dimension of x [tokens, width] or [tokens, heads, width], whose
// other dimensions may be strided. Everything is computed in fp32 (fp64 for fp64) and rounded once
// as it is stored. `inverse_rms` [tokens] or [tokens, heads], contiguous, is fp32 (fp64 for fp64)
// and saved for the backward pass; `weight` [width] has x's type. Outputs have their shape already
// and may be strided like x.

void rms_norm_forward(const at::Tensor& input, const at::Tensor& weight, double eps,
                      at::Tensor& output, at::Tensor& inverse_rms);

/// sum = input + residual, rounded to its type, then the norm of that. `sum` may be `residual`.
void add_rms_norm_forward(const at::Tensor& input, const at::Tensor& residual,
                          const at::Tensor& weight, double eps, at::Tensor& sum, at::Tensor& output,
                          at::Tensor& inverse_rms);

/// The output once more from what was saved, bit for bit.
void rms_norm_again(const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& inverse_rms, at::Tensor& output);

/// grad_input = grad_residual + the norm's gradient, rounded once. `grad_residual` is the gradient
/// that reaches x past the norm, or undefined; `grad_input` may be it, or `grad_output`.
void rms_norm_backward_input(const at::Tensor& grad_output, const at::Tensor& input,
                             const at::Tensor& weight, const at::Tensor& inverse_rms,
                             const at::Tensor& grad_residual, at::Tensor& grad_input);

/// grad_weight is overwritten; sums over rows as in linear_backward_bias.
void rms_norm_backward_weight(const at::Tensor& grad_output, const at::Tensor& input,
                              const at::Tensor& inverse_rms, at::Tensor& grad_weight);

/// Both, with the same aliases. On a GPU in one pass over grad_output and input, each block of
/// threads taking rows in turn: the weight's sums are added in another order than alone, always the
/// same one.
void rms_norm_backward(const at::Tensor& grad_output, const at::Tensor& input,
                       const at::Tensor& weight, const at::Tensor& inverse_rms,
                       const at::Tensor& grad_residual, at::Tensor& grad_input,
                       at::Tensor& grad_weight);

}  // namespace fg::ops
