#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include <fg/ops/rotary.hpp>

// What the operations do with tensors on a GPU, after their checks of shapes and types; contracts
// are those of the public headers. In src/cuda/, and refused by cuda_absent.cpp in a build without
// CUDA.
namespace fg::ops::cuda {

void rms_norm_forward(const at::Tensor& input, const at::Tensor& weight, double eps,
                      at::Tensor& output, at::Tensor& inverse_rms);
void add_rms_norm_forward(const at::Tensor& input, const at::Tensor& residual,
                          const at::Tensor& weight, double eps, at::Tensor& sum, at::Tensor& output,
                          at::Tensor& inverse_rms);
void rms_norm_again(const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& inverse_rms, at::Tensor& output);
void rms_norm_backward_input(const at::Tensor& grad_output, const at::Tensor& input,
                             const at::Tensor& weight, const at::Tensor& inverse_rms,
                             const at::Tensor& grad_residual, at::Tensor& grad_input);
void rms_norm_backward_weight(const at::Tensor& grad_output, const at::Tensor& input,
                              const at::Tensor& inverse_rms, at::Tensor& grad_weight);
void rms_norm_backward(const at::Tensor& grad_output, const at::Tensor& input,
                       const at::Tensor& weight, const at::Tensor& inverse_rms,
                       const at::Tensor& grad_residual, at::Tensor& grad_input,
                       at::Tensor& grad_weight);

void linear_backward_weight_into(const at::Tensor& grad_output, const at::Tensor& input,
                                 bool is_first, at::Tensor& total);
void linear_backward_bias(const at::Tensor& grad_output, at::Tensor& grad_bias);

void turn(at::Tensor& heads, const Rotation& rotation, bool backwards);
void rotate_back_into(const at::Tensor& grad_q, const at::Tensor& grad_k, const at::Tensor& grad_v,
                      const Rotation& rotation, at::Tensor& grad_qkv);

void swiglu_forward(const at::Tensor& gate_up, at::Tensor& output);
void swiglu_backward(const at::Tensor& grad_output, const at::Tensor& gate_up, at::Tensor& output,
                     at::Tensor& grad_gate_up);

/// The row of an id outside [0, vocab_size) is zeros.
void embedding_forward(const at::Tensor& ids, const at::Tensor& weight, std::int64_t vocab_size,
                       at::Tensor& output);
void embedding_backward(const at::Tensor& grad_output, const at::Tensor& ids,
                        at::Tensor& grad_weight);

}  // namespace fg::ops::cuda
