#pragma once

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

namespace fg::ops {

/// Error(data) naming the first id outside [0, vocab_size).
void check_ids(std::span<const std::int64_t> ids, std::int64_t vocab_size);

/// output[t] = weight[ids[t]]: ids [tokens] int64, weight [rows, width], output [tokens, width].
/// `vocab_size` is at most the rows. The ids pass check_ids, or it is Error(data) here; ids on a
/// GPU have passed it on the host before (a bad one gives a row of zeros there).
void embedding_forward(const at::Tensor& ids, const at::Tensor& weight, std::int64_t vocab_size,
                       at::Tensor& output);

/// grad_weight[r] += the sum of grad_output over the tokens with id r. The sum is formed in token
/// order, in fp32 (fp64 for fp64), and then added once, so the bits depend on nothing else; rows
/// without a token are not touched. The ids have passed check_ids.
void embedding_backward(const at::Tensor& grad_output, const at::Tensor& ids,
                        at::Tensor& grad_weight);

}  // namespace fg::ops
