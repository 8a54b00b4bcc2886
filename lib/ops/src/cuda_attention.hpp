#pragma once

#include <fg/ops/attention.hpp>

// Attention on a GPU; see fg/ops/attention.hpp. Shapes have been checked.
namespace fg::ops::cuda {

AttentionResult attention_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const Documents& documents, const AttentionOptions& options);
AttentionGradients attention_backward(const at::Tensor& grad_output, const at::Tensor& q,
                                      const at::Tensor& k, const at::Tensor& v,
                                      const AttentionResult& result, const Documents& documents,
                                      const AttentionOptions& options);
void attention_cached(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                      const AttentionOptions& options, at::Tensor& output);

}  // namespace fg::ops::cuda
