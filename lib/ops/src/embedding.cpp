#include "fg/ops/embedding.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "cuda_ops.hpp"
#include "kernel.hpp"

namespace fg::ops {
namespace {

/// Tokens sorted by id, the first token first; and where in that order each new id begins.
struct Groups {
  std::vector<std::int64_t> tokens;
  std::vector<std::size_t> starts;
};

Groups group_by_id(const std::int64_t* ids, std::int64_t count) {
  Groups groups;
  groups.tokens.resize(static_cast<std::size_t>(count));
  std::iota(groups.tokens.begin(), groups.tokens.end(), 0);
  std::stable_sort(groups.tokens.begin(), groups.tokens.end(),
                   [ids](std::int64_t left, std::int64_t right) { return ids[left] < ids[right]; });
  for (std::size_t index = 0; index < groups.tokens.size(); ++index)
    if (index == 0 || ids[groups.tokens[index]] != ids[groups.tokens[index - 1]])
      groups.starts.push_back(index);
  groups.starts.push_back(groups.tokens.size());
  return groups;
}

}  // namespace

void check_ids(std::span<const std::int64_t> ids, std::int64_t vocab_size) {
  const auto outside = std::find_if(ids.begin(), ids.end(),
                                    [&](std::int64_t id) { return id < 0 || id >= vocab_size; });
  if (outside == ids.end()) return;
  fail(ExitCode::data, "token id " + std::to_string(*outside) +
                           " is outside the model's vocabulary of " + std::to_string(vocab_size) +
                           " tokens: the tokenizer does not belong to this model");
}

void embedding_forward(const at::Tensor& ids, const at::Tensor& weight, std::int64_t vocab_size,
                       at::Tensor& output) {
  check_shape(ids, {ids.numel()}, at::kLong, "embedding ids");
  check_shape(output, {ids.numel(), weight.size(1)}, weight.scalar_type(), "embedding output");
  FG_CHECK(vocab_size <= weight.size(0) && weight.is_contiguous() && output.is_contiguous());
  if (output.is_cuda()) return cuda::embedding_forward(ids, weight, vocab_size, output);
  const at::Tensor packed = ids.contiguous();
  const std::int64_t* const id = packed.data_ptr<std::int64_t>();
  const std::int64_t count = packed.numel();
  check_ids({id, static_cast<std::size_t>(count)}, vocab_size);
  const std::size_t bytes = static_cast<std::size_t>(weight.size(1)) * weight.element_size();
  const char* const from = static_cast<const char*>(weight.data_ptr());
  char* const to = static_cast<char*>(output.data_ptr());
  for_rows(count, weight.size(1), [&](std::int64_t token) {
    std::memcpy(to + static_cast<std::size_t>(token) * bytes,
                from + static_cast<std::size_t>(id[token]) * bytes, bytes);
  });
}

void embedding_backward(const at::Tensor& grad_output, const at::Tensor& ids,
                        at::Tensor& grad_weight) {
  check_shape(ids, {grad_output.size(0)}, at::kLong, "embedding ids");
  check_shape(grad_weight, {grad_weight.size(0), grad_output.size(1)}, grad_output.scalar_type(),
              "embedding grad_weight");
  if (grad_output.is_cuda()) return cuda::embedding_backward(grad_output, ids, grad_weight);
  const at::Tensor packed = ids.contiguous();
  const std::int64_t* const id = packed.data_ptr<std::int64_t>();
  const Groups groups = group_by_id(id, packed.numel());
  const std::int64_t width = grad_output.size(1);
  dispatch(grad_output.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using S = Sum<T>;
    const Rows<T> gradients(grad_output);
    const Rows<T> out(grad_weight);
    for_rows(static_cast<std::int64_t>(groups.starts.size()) - 1, 2 * width, [&](std::int64_t at) {
      const std::size_t begin = groups.starts[static_cast<std::size_t>(at)];
      const std::size_t end = groups.starts[static_cast<std::size_t>(at) + 1];
      std::vector<S> sums(static_cast<std::size_t>(width), S{0});
      for (std::size_t index = begin; index < end; ++index) {
        const T* const gradient = gradients[groups.tokens[index]];
        for (std::size_t column = 0; column < sums.size(); ++column)
          sums[column] += static_cast<S>(gradient[column]);
      }
      T* const row = out[id[groups.tokens[begin]]];
      for (std::size_t column = 0; column < sums.size(); ++column)
        row[column] = static_cast<T>(static_cast<S>(row[column]) + sums[column]);
    });
  });
}

}  // namespace fg::ops
