#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace fg::ops {

/// output[t] = weight[ids[t]]: ids [tokens] int64, weight [rows, width], output [tokens, width].
/// An id outside [0, vocab_size), which is at most the rows, is Error(data).
void embedding_forward(const at::Tensor& ids, const at::Tensor& weight, std::int64_t vocab_size,
                       at::Tensor& output);

/// grad_weight[r] += the sum of grad_output over the tokens with id r. The sum is formed in token
/// order, in fp32 (fp64 for fp64), and then added once, so the bits depend on nothing else; rows
/// without a token are not touched. The ids have passed embedding_forward.
void embedding_backward(const at::Tensor& grad_output, const at::Tensor& ids,
                        at::Tensor& grad_weight);

}  // namespace fg::ops
