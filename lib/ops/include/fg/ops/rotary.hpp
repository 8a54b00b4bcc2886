#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include <fg/arch/model_config.hpp>
#include <fg/ops/documents.hpp>

namespace fg::ops {

/// What a rotary embedding is at one length: inverse frequencies [head_dim / 2] fp32, and the
/// factor on cosines and sines (1 for all kinds but yarn). Made by the same fp32 operations as
/// transformers' modeling_rope_utils, so that the bits agree; `length` matters to the dynamic kind
/// only, beyond `max_position_embeddings`. `head_dim` is even.
struct RotaryFrequencies {
  at::Tensor inverse;
  double attention_factor = 1.0;
};
RotaryFrequencies rotary_frequencies(const arch::Rope& rope, std::int64_t head_dim,
                                     std::int64_t max_position_embeddings, std::int64_t length);

/// Cosine and sine of every token's angles, [tokens, head_dim / 2] fp32, contiguous, the attention
/// factor included. On the device of the heads that they turn.
struct Rotation {
  at::Tensor cosines;
  at::Tensor sines;
};

/// Makes rotations on one device, keeping the table of the positions seen so far there. The table
/// is computed on the CPU, so its bits are the same everywhere; no call waits for a GPU. Positions
/// count from 0 in each document. With the dynamic kind a document's angles depend on its own
/// length alone, so packing changes nothing. Not thread-safe.
class RotaryTables {
public:
  RotaryTables(const arch::Rope& rope, std::int64_t head_dim, std::int64_t max_position_embeddings,
               at::Device device = at::kCPU);

  Rotation for_documents(const Documents& documents);
  /// Positions [first, first + count) of one sequence that is first + count long by now.
  Rotation for_positions(std::int64_t first, std::int64_t count);

private:
  const Rotation& table_for(std::int64_t length);
  bool depends_on(std::int64_t length) const;
  /// Where documents have tables of their own, one after the other.
  Rotation for_each_document(const Documents& documents);

  arch::Rope rope_;
  std::int64_t head_dim_;
  std::int64_t max_position_embeddings_;
  at::Device device_;
  std::int64_t length_ = -1;  // rows of table_; of a grown dynamic table its length
  bool is_grown_ = false;
  Rotation table_;
};

/// Turns the pairs (i, i + head_dim / 2) of each head in place: `heads` is [tokens, heads,
/// head_dim] of any floating type, its first two dimensions may be strided. Computed in fp32 (fp64
/// for fp64).
void rotate(at::Tensor& heads, const Rotation& rotation);
/// The same with the transposed matrix: what takes the gradient of the result to that of the input.
void rotate_back(at::Tensor& heads, const Rotation& rotation);

/// The gradients of turned queries and keys and of values, [tokens, heads or kv_heads, head_dim]
/// with any strides of the first two dimensions, to that of the fused matrix they were parts of,
/// [tokens, (heads + 2 · kv_heads) · head_dim]: queries and keys are turned back. They may lie
/// where they are written to. One launch on a GPU.
void rotate_back_into(const at::Tensor& grad_q, const at::Tensor& grad_k, const at::Tensor& grad_v,
                      const Rotation& rotation, at::Tensor& grad_qkv);

}  // namespace fg::ops
