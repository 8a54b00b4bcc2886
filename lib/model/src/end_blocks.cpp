#include "fg/model/end_blocks.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <fg/base/error.hpp>
#include <fg/ops/cross_entropy.hpp>
#include <fg/ops/embedding.hpp>
#include <fg/ops/linear.hpp>
#include <fg/ops/rms_norm.hpp>

#include "shared.hpp"

namespace fg::model {

using params::Role;

EmbeddingBlock::EmbeddingBlock(const arch::ModelConfig& config,
                               const params::Parameters& parameters)
    : vocab_size_(config.vocab_size),
      weight_(parameters.find(Role::embedding)),
      index_(parameters.layout().find(Role::embedding).value()) {}

at::Tensor EmbeddingBlock::look_up(const at::Tensor& ids) const {
  at::Tensor output = at::empty({ids.size(0), weight_.size(1)}, weight_.options());
  ops::embedding_forward(ids, weight_, vocab_size_, output);
  return output;
}

at::Tensor EmbeddingBlock::forward(const at::Tensor&, const Batch& batch, Saved&) const {
  return look_up(batch.ids);
}

at::Tensor EmbeddingBlock::backward_input(const at::Tensor& grad_output, const Batch&,
                                          Saved& saved) const {
  saved[Keep::grad_output] = grad_output;
  return {};
}

void EmbeddingBlock::backward_weight(const Batch& batch, Saved& saved,
                                     params::Gradients& gradients) const {
  const bool has_head_part = gradients.has_part(index_);
  at::Tensor target = gradients.begin(index_);
  if (!has_head_part) target.zero_();
  ops::embedding_backward(saved[Keep::grad_output], batch.ids, target);
  gradients.finish(index_);
  saved.clear();
}

Head::Head(const arch::ModelConfig& config, const params::Parameters& parameters)
    : vocab_size_(config.vocab_size),
      eps_(config.rms_norm_eps),
      norm_(parameters.find(Role::final_norm)),
      weight_(parameters.find(Role::head)),
      norm_index_(parameters.layout().find(Role::final_norm).value()),
      index_(parameters.layout().find(Role::head).value()) {}

at::Tensor Head::normalise(const at::Tensor& input, at::Tensor& inverse_rms) const {
  at::Tensor hidden = at::empty_like(input);
  inverse_rms = empty_sums(input, {input.size(0)});
  ops::rms_norm_forward(input, norm_, eps_, hidden, inverse_rms);
  return hidden;
}

at::Tensor Head::losses(const at::Tensor& input, const Batch& batch) const {
  at::Tensor inverse_rms;
  const at::Tensor hidden = normalise(input, inverse_rms);
  at::Tensor losses = empty_sums(input, {batch.trained()});
  ops::linear_cross_entropy_forward({hidden, weight_, batch.positions, batch.targets, vocab_size_},
                                    losses);
  return losses;
}

at::Tensor Head::backward(const at::Tensor& input, const Batch& batch, double scale,
                          params::Gradients& gradients, at::Tensor& losses) const {
  at::Tensor inverse_rms;
  const at::Tensor hidden = normalise(input, inverse_rms);
  losses = empty_sums(input, {batch.trained()});
  at::Tensor grad_hidden = at::empty_like(hidden);
  at::Tensor target = gradients.begin(index_);
  // On the CPU the chunks of a 16-bit head are added in fp32 and rounded once.
  const bool is_widened = weight_.element_size() == 2 && weight_.device().is_cpu();
  at::Tensor grad_head = is_widened ? at::empty(target.sizes(), at::kFloat) : target;
  ops::linear_cross_entropy_backward({hidden, weight_, batch.positions, batch.targets, vocab_size_},
                                     scale, losses, grad_hidden, grad_head);
  if (is_widened) target.copy_(grad_head);
  gradients.finish(index_);

  at::Tensor grad_norm = gradients.begin(norm_index_);
  ops::rms_norm_backward(grad_hidden, input, norm_, inverse_rms, {}, grad_hidden, grad_norm);
  gradients.finish(norm_index_);
  return grad_hidden;
}

at::Tensor Head::logits(const at::Tensor& input) const {
  at::Tensor inverse_rms;
  const at::Tensor hidden = normalise(input, inverse_rms);
  at::Tensor output = at::empty({input.size(0), vocab_size_}, input.options());
  ops::linear_forward(hidden, weight_.narrow(0, 0, vocab_size_), {}, output);
  return output;
}

}  // namespace fg::model
