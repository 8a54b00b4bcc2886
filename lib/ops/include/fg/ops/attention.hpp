#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

#include <fg/ops/documents.hpp>

namespace fg::ops {

// Causal attention with grouped queries: query head h uses key head h / (heads / kv_heads). q is
// [tokens, heads, head_dim], k and v are [tokens, kv_heads, head_dim]; their last dimension is
// contiguous, the others may be strided (slices of one fused matrix). Products and sums are kept in
// fp32 (fp64 for fp64), the softmax's statistics too. On a GPU: bfloat16 alone, and no host waits
// but at the first batch of a shape, when the two kernels there are tried against each other.

struct AttentionOptions {
  double scale = 1.0;
  /// A query sees itself and the window - 1 tokens before it; nothing: all before it.
  std::optional<std::int64_t> window;
};

/// `output` is [tokens, heads, head_dim], contiguous; `log_sum`, of the softmax, is for the
/// backward pass on the same device and has that device's own shape.
struct AttentionResult {
  at::Tensor output;
  at::Tensor log_sum;
};

/// Packed documents: each attends to itself alone.
AttentionResult attention_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const Documents& documents, const AttentionOptions& options);

/// Like q, k and v in shape; their first two dimensions may be strided.
struct AttentionGradients {
  at::Tensor q;
  at::Tensor k;
  at::Tensor v;
};

/// A windowed document's key gradients are summed over its query tiles in fp32 (fp64 for fp64), in
/// their order.
AttentionGradients attention_backward(const at::Tensor& grad_output, const at::Tensor& q,
                                      const at::Tensor& k, const at::Tensor& v,
                                      const AttentionResult& result, const Documents& documents,
                                      const AttentionOptions& options);

/// One sequence in generation: q holds its last tokens, k and v all of it from the first on.
void attention_cached(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                      const AttentionOptions& options, at::Tensor& output);

}  // namespace fg::ops
