#pragma once

#include <cstddef>
#include <cstdint>

#include <ATen/core/Tensor.h>

#include <fg/arch/model_config.hpp>
#include <fg/model/block.hpp>
#include <fg/params/parameters.hpp>

namespace fg::model {

/// The model's first block: token ids to vectors. Its input and the gradient of that are undefined
/// tensors. An id outside the vocabulary is Error(data).
class EmbeddingBlock final : public Block {
public:
  EmbeddingBlock(const arch::ModelConfig& config, const params::Parameters& parameters);

  at::Tensor forward(const at::Tensor& input, const Batch& batch, Saved& saved) const override;
  at::Tensor backward_input(const at::Tensor& grad_output, const Batch& batch,
                            Saved& saved) const override;
  void backward_weight(const Batch& batch, Saved& saved,
                       params::Gradients& gradients) const override;

  /// Vectors of some ids alone.
  at::Tensor look_up(const at::Tensor& ids) const;

private:
  std::int64_t vocab_size_;
  at::Tensor weight_;
  std::size_t index_;
};

/// The model's end: last norm, head and loss. The loss's gradient needs the logits, which are never
/// kept: so both halves of its backward pass, and the losses, come in one call.
class Head {
public:
  Head(const arch::ModelConfig& config, const params::Parameters& parameters);

  /// -log p of each trained token, [trained] fp32 (fp64 for fp64).
  at::Tensor losses(const at::Tensor& input, const Batch& batch) const;
  /// The same losses; the gradient of scale · Σ losses reaches the input (the result) and the
  /// parameters.
  at::Tensor backward(const at::Tensor& input, const Batch& batch, double scale,
                      params::Gradients& gradients, at::Tensor& losses) const;
  /// [rows of input, vocab_size], in the model's type.
  at::Tensor logits(const at::Tensor& input) const;

private:
  at::Tensor normalise(const at::Tensor& input, at::Tensor& inverse_rms) const;

  std::int64_t vocab_size_;
  double eps_;
  at::Tensor norm_;
  at::Tensor weight_;
  std::size_t norm_index_;
  std::size_t index_;
};

}  // namespace fg::model
