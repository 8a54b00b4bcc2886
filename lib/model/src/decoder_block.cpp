#include "fg/model/decoder_block.hpp"

#include <cmath>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <fg/base/error.hpp>
#include <fg/ops/linear.hpp>
#include <fg/ops/rms_norm.hpp>
#include <fg/ops/rotary.hpp>
#include <fg/ops/swiglu.hpp>

#include "shared.hpp"

namespace fg::model {

using params::Role;

DecoderBlock::DecoderBlock(const arch::ModelConfig& config, const params::Parameters& parameters,
                           std::int64_t layer)
    : layer_(layer),
      heads_(config.heads),
      kv_heads_(config.kv_heads),
      head_dim_(config.head_dim),
      eps_(config.rms_norm_eps),
      input_norm_(find(parameters, Role::input_norm)),
      qkv_(find(parameters, Role::qkv)),
      qkv_bias_(find(parameters, Role::qkv_bias)),
      q_norm_(find(parameters, Role::q_norm)),
      k_norm_(find(parameters, Role::k_norm)),
      output_(find(parameters, Role::output)),
      output_bias_(find(parameters, Role::output_bias)),
      post_norm_(find(parameters, Role::post_norm)),
      gate_up_(find(parameters, Role::gate_up)),
      gate_up_bias_(find(parameters, Role::gate_up_bias)),
      down_(find(parameters, Role::down)),
      down_bias_(find(parameters, Role::down_bias)) {
  FG_CHECK(qkv_.index.has_value());
  attention_.scale = 1.0 / std::sqrt(static_cast<double>(head_dim_));
  if (config.windowed[static_cast<std::size_t>(layer)]) attention_.window = config.sliding_window;
}

DecoderBlock::Weight DecoderBlock::find(const params::Parameters& parameters, Role role) const {
  return {parameters.find(role, layer_), parameters.layout().find(role, layer_)};
}

DecoderBlock::Heads DecoderBlock::split(const at::Tensor& qkv) const {
  const auto part = [&](std::int64_t first, std::int64_t count) {
    return qkv.narrow(1, first * head_dim_, count * head_dim_)
        .view({qkv.size(0), count, head_dim_});
  };
  return {part(0, heads_), part(heads_, kv_heads_), part(heads_ + kv_heads_, kv_heads_)};
}

at::Tensor DecoderBlock::project_qkv(const at::Tensor& input, Saved& saved) const {
  at::Tensor normal = at::empty_like(input);
  saved[Keep::input_rms] = empty_sums(input, {input.size(0)});
  ops::rms_norm_forward(input, input_norm_.value, eps_, normal, saved[Keep::input_rms]);
  at::Tensor qkv = at::empty({input.size(0), qkv_.value.size(0)}, input.options());
  ops::linear_forward(normal, qkv_.value, qkv_bias_.value, qkv);
  return qkv;
}

/// Queries and keys as attention takes them. Without norms of q and k they are turned in place,
/// once; with them `qkv` stays as it was, for the backward pass, and the result is new.
DecoderBlock::Heads DecoderBlock::turned_heads(const at::Tensor& qkv, const ops::Rotation& rotation,
                                               Saved& saved) const {
  Heads heads = split(qkv);
  if (q_norm_.index) {
    const Heads plain = heads;
    heads.q = at::empty(plain.q.sizes(), qkv.options());
    heads.k = at::empty(plain.k.sizes(), qkv.options());
    saved[Keep::q_rms] = empty_sums(qkv, {qkv.size(0), heads_});
    saved[Keep::k_rms] = empty_sums(qkv, {qkv.size(0), kv_heads_});
    ops::rms_norm_forward(plain.q, q_norm_.value, eps_, heads.q, saved[Keep::q_rms]);
    ops::rms_norm_forward(plain.k, k_norm_.value, eps_, heads.k, saved[Keep::k_rms]);
  }
  if (q_norm_.index) {
    ops::rotate(heads.q, rotation);
    ops::rotate(heads.k, rotation);
  } else {
    // Side by side in one matrix: one walk.
    at::Tensor both = qkv.narrow(1, 0, (heads_ + kv_heads_) * head_dim_)
                          .view({qkv.size(0), heads_ + kv_heads_, head_dim_});
    ops::rotate(both, rotation);
  }
  return heads;
}

at::Tensor DecoderBlock::to_gate_up(const at::Tensor& attended, const at::Tensor& input,
                                    Saved& saved) const {
  at::Tensor middle = at::empty_like(input);
  ops::linear_forward(attended, output_.value, output_bias_.value, middle);
  at::Tensor normal = at::empty_like(input);
  saved[Keep::middle_rms] = empty_sums(input, {input.size(0)});
  ops::add_rms_norm_forward(input, middle, post_norm_.value, eps_, middle, normal,
                            saved[Keep::middle_rms]);
  saved[Keep::middle] = middle;
  at::Tensor gate_up = at::empty({input.size(0), gate_up_.value.size(0)}, input.options());
  ops::linear_forward(normal, gate_up_.value, gate_up_bias_.value, gate_up);
  return gate_up;
}

at::Tensor DecoderBlock::finish(const at::Tensor& gate_up, const at::Tensor& middle) const {
  at::Tensor activation = at::empty({gate_up.size(0), gate_up.size(1) / 2}, gate_up.options());
  ops::swiglu_forward(gate_up, activation);
  at::Tensor output = at::empty_like(middle);
  ops::linear_forward(activation, down_.value, down_bias_.value, output);
  return output.add_(middle);
}

void DecoderBlock::run_to_gate_up(const at::Tensor& input, const Batch& batch, Saved& saved) const {
  const at::Tensor qkv = project_qkv(input, saved);
  const Heads heads = turned_heads(qkv, batch.rotation, saved);
  const ops::AttentionResult result =
      ops::attention_forward(heads.q, heads.k, heads.v, batch.documents, attention_);
  saved[Keep::qkv] = qkv;
  saved[Keep::attended] = result.output.view({input.size(0), heads_ * head_dim_});
  saved[Keep::log_sum] = result.log_sum;
  saved[Keep::gate_up] = to_gate_up(saved[Keep::attended], input, saved);
}

at::Tensor DecoderBlock::forward(const at::Tensor& input, const Batch& batch, Saved& saved) const {
  run_to_gate_up(input, batch, saved);
  const at::Tensor output = finish(saved[Keep::gate_up], saved[Keep::middle]);
  if (policy_ != MemoryPolicy::keep) saved.clear();
  if (policy_ == MemoryPolicy::offload)
    saved.parked_input = parking_->park(input);
  else
    saved[Keep::input] = input;
  return output;
}

at::Tensor DecoderBlock::forward_cached(const at::Tensor& input, const ops::Rotation& rotation,
                                        KvCache& cache) const {
  Saved unused;
  const Heads heads = turned_heads(project_qkv(input, unused), rotation, unused);
  cache.store(layer_, heads.k, heads.v);
  at::Tensor attended = at::empty({input.size(0), heads_ * head_dim_}, input.options());
  at::Tensor by_head = attended.view({input.size(0), heads_, head_dim_});
  ops::attention_cached(heads.q, cache.keys(layer_, input.size(0)),
                        cache.values(layer_, input.size(0)), attention_, by_head);
  const at::Tensor gate_up = to_gate_up(attended, input, unused);
  return finish(gate_up, unused[Keep::middle]);
}

}  // namespace fg::model
