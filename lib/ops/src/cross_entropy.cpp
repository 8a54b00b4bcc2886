#include "fg/ops/cross_entropy.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <fg/base/failpoint.hpp>

#include "cuda_cross_entropy.hpp"
#include "kernel.hpp"

namespace fg::ops {
namespace {

void check(const CrossEntropyInput& input, const at::Tensor& losses) {
  const at::ScalarType type = input.hidden.scalar_type();
  const std::int64_t trained = input.positions.numel();
  check_shape(input.positions, {trained}, at::kLong, "loss positions");
  check_shape(input.targets, {trained}, at::kLong, "loss targets");
  check_shape(input.head, {input.head.size(0), input.hidden.size(1)}, type, "loss head");
  check_shape(losses, {trained}, sum_type(type), "losses");
  FG_CHECK(input.hidden.is_contiguous() && input.head.is_contiguous());
  FG_CHECK(input.positions.is_contiguous() && input.targets.is_contiguous());
  FG_CHECK(losses.is_contiguous());
  FG_CHECK(input.vocab_size > 0 && input.vocab_size <= input.head.size(0));
  FG_CHECK(input.chunk_tokens > 0);
  if (!input.targets.device().is_cpu()) return;
  check_targets({input.targets.data_ptr<std::int64_t>(), static_cast<std::size_t>(trained)},
                input.vocab_size);
  const std::int64_t* const positions = input.positions.data_ptr<std::int64_t>();
  for (std::int64_t index = 0; index < trained; ++index) {
    FG_CHECK(positions[index] >= 0 && positions[index] < input.hidden.size(0));
    FG_CHECK(index == 0 || positions[index] > positions[index - 1]);
  }
}

/// log Σ exp over one row of logits.
template <typename T>
Sum<T> log_sum_exp(const T* logits, std::int64_t count, Sum<T>& largest) {
  using S = Sum<T>;
  largest = static_cast<S>(logits[0]);
  for (std::int64_t column = 1; column < count; ++column)
    largest = std::max(largest, static_cast<S>(logits[column]));
  const S top = largest;
  return std::log(sum_of<S>(
      count, [&](std::int64_t column) { return std::exp(static_cast<S>(logits[column]) - top); }));
}

/// Walks the trained tokens by chunks, and holds a chunk's tensors.
class Chunks {
public:
  explicit Chunks(const CrossEntropyInput& input)
      : input_(input),
        columns_(fault_planted("ops.padding_in_softmax") ? input.head.size(0) : input.vocab_size),
        rows_(at::empty({input.chunk_tokens, input.hidden.size(1)}, input.hidden.options())),
        logits_(at::empty({input.chunk_tokens, input.head.size(0)}, input.hidden.options())) {}

  /// Calls body(first trained token, how many) after the chunk's logits have been made.
  template <typename Body>
  void for_each(const Body& body) {
    const std::int64_t trained = input_.positions.numel();
    for (std::int64_t first = 0; first < trained; first += input_.chunk_tokens) {
      const std::int64_t count = std::min(input_.chunk_tokens, trained - first);
      gather(first, count);
      at::mm_out(logits_, rows_, input_.head.t());
      body(first, count);
    }
  }

  /// Losses of the chunk; with a gradient wanted, its logits become scale · (softmax - one hot).
  template <typename T>
  void finish_rows(std::int64_t first, std::int64_t count, const double* scale, Sum<T>* losses) {
    using S = Sum<T>;
    const Rows<T> logits(logits_);
    const std::int64_t* const targets = input_.targets.data_ptr<std::int64_t>() + first;
    for_rows(logits.count(), 8 * columns_, [&](std::int64_t row) {
      T* const values = logits[row];
      if (row >= count) {
        if (scale != nullptr) std::fill_n(values, logits.width(), T(0));
        return;
      }
      S largest = 0;
      const S log_sum = log_sum_exp(values, columns_, largest);
      losses[first + row] = log_sum - (static_cast<S>(values[targets[row]]) - largest);
      if (scale == nullptr) return;
      const S seed = static_cast<S>(*scale);
      for (std::int64_t column = 0; column < columns_; ++column) {
        const S share = std::exp(static_cast<S>(values[column]) - largest - log_sum);
        values[column] = static_cast<T>(seed * (share - (column == targets[row] ? S{1} : S{0})));
      }
      std::fill(values + columns_, values + logits.width(), T(0));
    });
  }

  const at::Tensor& rows() const { return rows_; }
  const at::Tensor& logits() const { return logits_; }

  /// Spreads the chunk's rows over the rows of `whole` that they came from.
  void scatter(std::int64_t first, std::int64_t count, at::Tensor& whole) const {
    copy(first, count, [&](std::int64_t position, std::int64_t row) {
      return std::pair{byte_row(whole, position), byte_row(rows_, row)};
    });
  }

private:
  static char* byte_row(const at::Tensor& tensor, std::int64_t row) {
    return static_cast<char*>(tensor.data_ptr()) +
           static_cast<std::size_t>(row * tensor.size(1)) * tensor.element_size();
  }

  template <typename Places>
  void copy(std::int64_t first, std::int64_t count, const Places& places) const {
    const std::int64_t* const positions = input_.positions.data_ptr<std::int64_t>() + first;
    const std::size_t bytes = static_cast<std::size_t>(rows_.size(1)) * rows_.element_size();
    for (std::int64_t row = 0; row < count; ++row) {
      const auto [to, from] = places(positions[row], row);
      std::memcpy(to, from, bytes);
    }
  }

  void gather(std::int64_t first, std::int64_t count) {
    copy(first, count, [&](std::int64_t position, std::int64_t row) {
      return std::pair{byte_row(rows_, row), byte_row(input_.hidden, position)};
    });
    rows_.narrow(0, count, rows_.size(0) - count).zero_();
  }

  const CrossEntropyInput& input_;
  std::int64_t columns_;
  at::Tensor rows_;
  at::Tensor logits_;
};

/// grad_head (+)= logitsᵀ rows, in grad_head's type.
void add_head_product(const Chunks& chunks, bool is_first, at::Tensor& grad_head) {
  static const bool forgets = fault_planted("ops.chunk_overwrites_head");
  const at::ScalarType type = grad_head.scalar_type();
  const at::Tensor gradients = chunks.logits().to(type).t();
  const at::Tensor rows = chunks.rows().to(type);
  if (is_first || forgets)
    at::mm_out(grad_head, gradients, rows);
  else
    at::addmm_out(grad_head, grad_head, gradients, rows);
}

}  // namespace

std::int64_t gpu_chunk_tokens(std::int64_t head_rows, std::int64_t trained) {
  constexpr std::int64_t multiple = 128;
  constexpr std::int64_t logit_elements = std::int64_t{256} << 20;
  const auto rounded_up = [](std::int64_t value) {
    return (value + multiple - 1) / multiple * multiple;
  };
  const std::int64_t most = std::max(multiple, logit_elements / head_rows / multiple * multiple);
  const std::int64_t chunks = std::max<std::int64_t>(1, (trained + most - 1) / most);
  return std::max(multiple, rounded_up((trained + chunks - 1) / chunks));
}

void check_targets(std::span<const std::int64_t> targets, std::int64_t vocab_size) {
  for (const std::int64_t target : targets)
    if (target < 0 || target >= vocab_size)
      fail(ExitCode::data,
           "target token id " + std::to_string(target) + " is outside the model's vocabulary of " +
               std::to_string(vocab_size) + " tokens: the tokenizer does not belong to this model");
}

void linear_cross_entropy_forward(const CrossEntropyInput& input, at::Tensor& losses) {
  check(input, losses);
  if (input.hidden.is_cuda()) return cuda::linear_cross_entropy_forward(input, losses);
  Chunks chunks(input);
  dispatch(input.hidden.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    chunks.for_each([&](std::int64_t first, std::int64_t count) {
      chunks.finish_rows<T>(first, count, nullptr, losses.data_ptr<Sum<T>>());
    });
  });
}

void linear_cross_entropy_backward(const CrossEntropyInput& input, double scale, at::Tensor& losses,
                                   at::Tensor& grad_hidden, at::Tensor& grad_head) {
  check(input, losses);
  const at::ScalarType type = input.hidden.scalar_type();
  check_shape(grad_hidden, input.hidden.sizes(), type, "loss grad_hidden");
  FG_CHECK(grad_hidden.is_contiguous());
  const bool is_wide = grad_head.scalar_type() == at::kFloat;
  check_shape(grad_head, input.head.sizes(), is_wide ? at::kFloat : type, "loss grad_head");
  if (input.hidden.is_cuda())
    return cuda::linear_cross_entropy_backward(input, scale, losses, grad_hidden, grad_head);
  grad_hidden.zero_();
  if (input.positions.numel() == 0) grad_head.zero_();
  Chunks chunks(input);
  dispatch(type, [&](auto zero) {
    using T = decltype(zero);
    chunks.for_each([&](std::int64_t first, std::int64_t count) {
      chunks.finish_rows<T>(first, count, &scale, losses.data_ptr<Sum<T>>());
      add_head_product(chunks, first == 0, grad_head);
      at::Tensor gradient = chunks.rows();
      at::mm_out(gradient, chunks.logits(), input.head);
      chunks.scatter(first, count, grad_hidden);
    });
  });
}

}  // namespace fg::ops
