#include "cross_entropy.hpp"

#include <algorithm>

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/device/cuda_call.hpp>

#include "../cuda_cross_entropy.hpp"

namespace fg::ops::cuda {
namespace {

/// Walks the trained tokens by chunks of as even a size as can be.
class Chunks {
public:
  explicit Chunks(const CrossEntropyInput& input)
      : input_(input),
        trained_(input.positions.numel()),
        chunk_(gpu_chunk_tokens(input.head.size(0), trained_)),
        rows_(at::empty({chunk_, input.hidden.size(1)}, input.hidden.options())),
        logits_(at::empty({chunk_, input.head.size(0)}, input.hidden.options())) {
    const at::ScalarType type = input.hidden.scalar_type();
    FG_CHECK(type == at::kBFloat16 || type == at::kFloat);
  }

  /// Calls body(is_first, first, count) after the chunk's logits have become losses and, with a
  /// scale, gradients.
  template <typename Body>
  void for_each(const double* scale, at::Tensor& losses, const Body& body) {
    for (std::int64_t first = 0; first < trained_; first += chunk_) {
      const std::int64_t count = std::min(chunk_, trained_ - first);
      gather(first, count);
      at::mm_out(logits_, rows_, input_.head.t());
      finish(first, count, scale, losses);
      body(first, count);
    }
  }

  at::Tensor& rows() { return rows_; }
  const at::Tensor& logits() const { return logits_; }

  void scatter(std::int64_t first, std::int64_t count, at::Tensor& whole) const {
    device::check(kernels::scatter_rows(
                      {rows_.data_ptr(), whole.data_ptr(), numbers(first), count, row_bytes()},
                      device::stream_of(rows_)),
                  "scatter_rows");
  }

private:
  const std::int64_t* numbers(std::int64_t first) const {
    return input_.positions.data_ptr<std::int64_t>() + first;
  }
  std::int64_t row_bytes() const { return rows_.size(1) * rows_.element_size(); }

  void gather(std::int64_t first, std::int64_t count) {
    device::check(kernels::gather_rows({input_.hidden.data_ptr(), rows_.data_ptr(), numbers(first),
                                        count, row_bytes()},
                                       device::stream_of(rows_)),
                  "gather_rows");
    if (count < chunk_) rows_.narrow(0, count, chunk_ - count).zero_();
  }

  void finish(std::int64_t first, std::int64_t count, const double* scale, at::Tensor& losses) {
    static const bool takes_padding = fault_planted("ops.cuda_padding_in_softmax");
    kernels::SoftmaxLoss args;
    args.logits = logits_.data_ptr();
    args.is_bfloat16 = logits_.scalar_type() == at::kBFloat16;
    args.rows = count;
    args.all_rows = chunk_;
    args.columns = takes_padding ? input_.head.size(0) : input_.vocab_size;
    args.stride = logits_.size(1);
    args.targets = input_.targets.data_ptr<std::int64_t>() + first;
    args.losses = losses.data_ptr<float>() + first;
    args.scale = scale == nullptr ? 0.0F : static_cast<float>(*scale);
    args.wants_gradient = scale != nullptr;
    FG_CHECK(args.stride % 8 == 0);
    device::check(kernels::softmax_loss(args, device::stream_of(logits_)), "softmax_loss");
  }

  const CrossEntropyInput& input_;
  std::int64_t trained_;
  std::int64_t chunk_;
  at::Tensor rows_;
  at::Tensor logits_;
};

}  // namespace

void linear_cross_entropy_forward(const CrossEntropyInput& input, at::Tensor& losses) {
  Chunks(input).for_each(nullptr, losses, [](std::int64_t, std::int64_t) {});
}

void linear_cross_entropy_backward(const CrossEntropyInput& input, double scale, at::Tensor& losses,
                                   at::Tensor& grad_hidden, at::Tensor& grad_head) {
  static const bool forgets = fault_planted("ops.cuda_chunk_overwrites_head");
  FG_CHECK(grad_head.scalar_type() == input.head.scalar_type());
  grad_hidden.zero_();
  if (input.positions.numel() == 0) grad_head.zero_();
  Chunks chunks(input);
  chunks.for_each(&scale, losses, [&](std::int64_t first, std::int64_t count) {
    if (first == 0 || forgets)
      at::mm_out(grad_head, chunks.logits().t(), chunks.rows());
    else
      at::addmm_out(grad_head, grad_head, chunks.logits().t(), chunks.rows());
    at::mm_out(chunks.rows(), chunks.logits(), input.head);
    chunks.scatter(first, count, grad_hidden);
  });
}

}  // namespace fg::ops::cuda
