#pragma once

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

namespace fg::ops {

// The head and the loss in one: logits = h Wᵀ of the trained tokens only, made `chunk_tokens` at a
// time and never held whole; the backward pass overwrites them with their gradient. The last chunk
// is filled up with zero rows, so that every product has the same shape; those rows, and the rows
// of W from vocab_size on (padding), take no part in loss or gradient. Softmax and losses are
// computed in fp32 (fp64 for fp64) from logits of the model's type.

// On a GPU chunks are as large as half a gibibyte of logits allows, and targets are not looked at:
// check_targets does that on the host.

struct CrossEntropyInput {
  at::Tensor hidden;     // [tokens, width], after the last norm; contiguous
  at::Tensor head;       // W: [rows, width], contiguous
  at::Tensor positions;  // [trained] int64, ascending: the rows of `hidden` that are trained
  at::Tensor targets;    // [trained] int64: the token each is to predict
  std::int64_t vocab_size = 0;
  std::int64_t chunk_tokens = 256;  // on the CPU
};

/// Tokens of a chunk on a GPU for a head of so many rows: a multiple of 128, no more than needed.
std::int64_t gpu_chunk_tokens(std::int64_t head_rows, std::int64_t trained);

/// A target outside the vocabulary is Error(data).
void check_targets(std::span<const std::int64_t> targets, std::int64_t vocab_size);

/// losses[i] = -log p(targets[i]), [trained] fp32 (fp64 for fp64).
void linear_cross_entropy_forward(const CrossEntropyInput& input, at::Tensor& losses);

/// The same losses and the gradients of scale · Σ losses; `scale` is 1 / the step's trained tokens.
/// grad_hidden [tokens, width] is overwritten, zero where nothing is trained. grad_head is
/// overwritten: the chunks' products added in their order. It has W's type, or on the CPU fp32
/// where that is 16 bits wide: then products and sums are fp32 and nothing is rounded in between.
/// On a GPU each chunk's sum with those before it is rounded to W's type; there are few.
void linear_cross_entropy_backward(const CrossEntropyInput& input, double scale, at::Tensor& losses,
                                   at::Tensor& grad_hidden, at::Tensor& grad_head);

}  // namespace fg::ops
