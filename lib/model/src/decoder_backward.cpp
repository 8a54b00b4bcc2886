#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <fg/ops/linear.hpp>
#include <fg/ops/rms_norm.hpp>
#include <fg/ops/rotary.hpp>
#include <fg/ops/swiglu.hpp>

#include "fg/model/decoder_block.hpp"

namespace fg::model {

at::Tensor DecoderBlock::norm_again(const at::Tensor& input, const Weight& weight,
                                    const at::Tensor& inverse_rms) const {
  at::Tensor output = at::empty_like(input);
  ops::rms_norm_again(input, weight.value, inverse_rms, output);
  return output;
}

void DecoderBlock::prepare_backward(Saved& saved) const {
  if (saved.parked_input) parking_->fetch(*saved.parked_input);
}

at::Tensor DecoderBlock::backward_input(const at::Tensor& grad_output, const Batch& batch,
                                        Saved& saved) const {
  if (saved.parked_input)
    saved[Keep::input] = parking_->take(*std::exchange(saved.parked_input, nullptr));
  if (!saved[Keep::gate_up].defined()) run_to_gate_up(saved[Keep::input], batch, saved);
  saved[Keep::grad_output] = grad_output;
  saved[Keep::grad_middle] = backward_mlp(grad_output, saved);
  return backward_attention(saved[Keep::grad_middle], batch, saved);
}

at::Tensor DecoderBlock::backward_mlp(const at::Tensor& grad_output, Saved& saved) const {
  const at::Tensor& middle = saved[Keep::middle];
  at::Tensor gate_up = saved[Keep::gate_up];
  at::Tensor activation = at::empty({gate_up.size(0), gate_up.size(1) / 2}, gate_up.options());
  ops::linear_backward_input(grad_output, down_.value, activation);
  // The gradient of the activation becomes the activation, gate and up become their gradients.
  ops::swiglu_backward(activation, gate_up, activation, gate_up);
  saved[Keep::activation] = activation;
  saved[Keep::grad_gate_up] = gate_up;
  saved.drop(Keep::gate_up);

  at::Tensor grad_normal = at::empty_like(middle);
  ops::linear_backward_input(gate_up, gate_up_.value, grad_normal);
  saved[Keep::grad_post_norm] = at::empty_like(post_norm_.value);
  ops::rms_norm_backward(grad_normal, middle, post_norm_.value, saved[Keep::middle_rms],
                         grad_output, grad_normal, saved[Keep::grad_post_norm]);
  return grad_normal;
}

at::Tensor DecoderBlock::backward_attention(const at::Tensor& grad_middle, const Batch& batch,
                                            Saved& saved) const {
  const at::Tensor& input = saved[Keep::input];
  const at::Tensor& attended = saved[Keep::attended];
  const at::Tensor& qkv = saved[Keep::qkv];
  at::Tensor grad_attended = at::empty_like(attended);
  ops::linear_backward_input(grad_middle, output_.value, grad_attended);

  const Heads heads = q_norm_.index ? turned_heads(qkv, batch.rotation, saved) : split(qkv);
  const auto by_head = [&](const at::Tensor& tensor) { return tensor.view(heads.q.sizes()); };
  at::Tensor grad_qkv = at::empty_like(qkv);
  {
    const ops::AttentionGradients gradients = ops::attention_backward(
        by_head(grad_attended), heads.q, heads.k, heads.v,
        {by_head(attended), saved[Keep::log_sum]}, batch.documents, attention_);
    ops::rotate_back_into(gradients.q, gradients.k, gradients.v, batch.rotation, grad_qkv);
  }
  if (q_norm_.index) backward_head_norms(split(grad_qkv), saved);
  saved[Keep::grad_qkv] = grad_qkv;
  saved.drop(Keep::qkv);
  saved.drop(Keep::log_sum);

  at::Tensor grad_normal = at::empty_like(input);
  ops::linear_backward_input(grad_qkv, qkv_.value, grad_normal);
  saved[Keep::grad_input_norm] = at::empty_like(input_norm_.value);
  ops::rms_norm_backward(grad_normal, input, input_norm_.value, saved[Keep::input_rms], grad_middle,
                         grad_normal, saved[Keep::grad_input_norm]);
  return grad_normal;
}

void DecoderBlock::backward_head_norms(const Heads& gradients, Saved& saved) const {
  const Heads plain = split(saved[Keep::qkv]);
  at::Tensor grad_q = gradients.q;
  at::Tensor grad_k = gradients.k;
  saved[Keep::grad_q_norm] = at::empty_like(q_norm_.value);
  saved[Keep::grad_k_norm] = at::empty_like(k_norm_.value);
  ops::rms_norm_backward(grad_q, plain.q, q_norm_.value, saved[Keep::q_rms], {}, grad_q,
                         saved[Keep::grad_q_norm]);
  ops::rms_norm_backward(grad_k, plain.k, k_norm_.value, saved[Keep::k_rms], {}, grad_k,
                         saved[Keep::grad_k_norm]);
  saved.drop(Keep::q_rms);
  saved.drop(Keep::k_rms);
}

void DecoderBlock::backward_weight(const Batch&, Saved& saved, params::Gradients& gradients) const {
  const auto bring = [&](const Weight& weight, const auto& write) {
    if (!weight.index) return;
    at::Tensor target = gradients.begin(*weight.index);
    write(target);
    gradients.finish(*weight.index);
  };
  const auto linear = [&](const Weight& weight, const Weight& bias, const at::Tensor& gradient,
                          const at::Tensor& input) {
    if (auto total = weight.index ? gradients.begin_total(*weight.index) : std::nullopt) {
      ops::linear_backward_weight_into(gradient, input, total->is_first, total->values);
      gradients.finish(*weight.index);
    } else {
      bring(weight,
            [&](at::Tensor& target) { ops::linear_backward_weight(gradient, input, target); });
    }
    bring(bias, [&](at::Tensor& target) { ops::linear_backward_bias(gradient, target); });
  };
  const auto norm = [&](const Weight& weight, Keep gradient) {
    bring(weight, [&](at::Tensor& target) { target.copy_(saved[gradient]); });
  };
  // The norms' outputs are made from weights that the hook of `gradients` has not touched yet.
  linear(down_, down_bias_, saved[Keep::grad_output], saved[Keep::activation]);
  saved.drop(Keep::activation);
  linear(gate_up_, gate_up_bias_, saved[Keep::grad_gate_up],
         norm_again(saved[Keep::middle], post_norm_, saved[Keep::middle_rms]));
  saved.drop(Keep::grad_gate_up);
  norm(post_norm_, Keep::grad_post_norm);
  linear(output_, output_bias_, saved[Keep::grad_middle], saved[Keep::attended]);
  linear(qkv_, qkv_bias_, saved[Keep::grad_qkv],
         norm_again(saved[Keep::input], input_norm_, saved[Keep::input_rms]));
  norm(q_norm_, Keep::grad_q_norm);
  norm(k_norm_, Keep::grad_k_norm);
  norm(input_norm_, Keep::grad_input_norm);
  saved.clear();
}

}  // namespace fg::model
