#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

#include <fg/ops/documents.hpp>

namespace fg::ops {

// Causal attention with grouped queries: query head h uses key head h / (heads / kv_heads). q is
// [tokens, heads, head_dim], k and v are [tokens, kv_heads, head_dim]; their last dimension is
// contiguous, the others may be strided (slices of one fused matrix). Products and sums are kept in
// fp32 (fp64 for fp64), the softmax's statistics too.

struct AttentionOptions {
  double scale = 1.0;
  /// A query sees itself and the window - 1 tokens before it; nothing: all before it.
  std::optional<std::int64_t> window;
};

/// Packed documents: each attends to itself alone. Writes `output` [tokens, heads, head_dim] and
/// `log_sum` [tokens, heads] (fp32, fp64 for fp64; contiguous), which the backward pass needs.
void attention_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                       const Documents& documents, const AttentionOptions& options,
                       at::Tensor& output, at::Tensor& log_sum);

/// Overwrites grad_q, grad_k and grad_v, which may be slices of one fused matrix. A windowed
/// document's key gradients are summed over its query tiles in fp32 (fp64 for fp64), in their
/// order.
void attention_backward(const at::Tensor& grad_output, const at::Tensor& q, const at::Tensor& k,
                        const at::Tensor& v, const at::Tensor& output, const at::Tensor& log_sum,
                        const Documents& documents, const AttentionOptions& options,
                        at::Tensor& grad_q, at::Tensor& grad_k, at::Tensor& grad_v);

/// One sequence in generation: q holds its last tokens, k and v all of it from the first on.
void attention_cached(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                      const AttentionOptions& options, at::Tensor& output);

}  // namespace fg::ops
