#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

#include <fg/arch/model_config.hpp>
#include <fg/model/block.hpp>
#include <fg/model/kv_cache.hpp>
#include <fg/ops/attention.hpp>
#include <fg/params/parameters.hpp>

namespace fg::model {

/// One layer: x + attention(norm(x)), then that + mlp(norm(that)). Llama, Mistral (sliding window),
/// Qwen2 (biases of q, k, v) and Qwen3 (norms of q and k) differ only in what is present.
/// `parameters` must outlive the block.
class DecoderBlock final : public Block {
public:
  DecoderBlock(const arch::ModelConfig& config, const params::Parameters& parameters,
               std::int64_t layer);

  /// `parking` is for the policy offload, and must outlive the block.
  void set_policy(MemoryPolicy policy, device::Parking* parking = nullptr) noexcept {
    policy_ = policy;
    parking_ = parking;
  }

  void prepare_backward(Saved& saved) const override;
  at::Tensor forward(const at::Tensor& input, const Batch& batch, Saved& saved) const override;
  at::Tensor backward_input(const at::Tensor& grad_output, const Batch& batch,
                            Saved& saved) const override;
  void backward_weight(const Batch& batch, Saved& saved,
                       params::Gradients& gradients) const override;

  /// Generation: the next tokens of one sequence, whose keys and values are added to `cache`.
  at::Tensor forward_cached(const at::Tensor& input, const ops::Rotation& rotation,
                            KvCache& cache) const;

private:
  /// A fused tensor and its index; undefined where the model has none.
  struct Weight {
    at::Tensor value;
    std::optional<std::size_t> index;
  };
  /// Views [tokens, heads, head_dim] of a fused matrix.
  struct Heads {
    at::Tensor q;
    at::Tensor k;
    at::Tensor v;
  };

  Weight find(const params::Parameters& parameters, params::Role role) const;
  Heads split(const at::Tensor& qkv) const;
  at::Tensor project_qkv(const at::Tensor& input, Saved& saved) const;
  Heads turned_heads(const at::Tensor& qkv, const ops::Rotation& rotation, Saved& saved) const;
  at::Tensor to_gate_up(const at::Tensor& attended, const at::Tensor& input, Saved& saved) const;
  at::Tensor finish(const at::Tensor& gate_up, const at::Tensor& middle) const;
  void run_to_gate_up(const at::Tensor& input, const Batch& batch, Saved& saved) const;

  at::Tensor backward_mlp(const at::Tensor& grad_output, Saved& saved) const;
  at::Tensor backward_attention(const at::Tensor& grad_middle, const Batch& batch,
                                Saved& saved) const;
  void backward_head_norms(const Heads& gradients, Saved& saved) const;
  at::Tensor norm_again(const at::Tensor& input, const Weight& weight,
                        const at::Tensor& inverse_rms) const;

  std::int64_t layer_;
  std::int64_t heads_;
  std::int64_t kv_heads_;
  std::int64_t head_dim_;
  double eps_;
  ops::AttentionOptions attention_;
  MemoryPolicy policy_ = MemoryPolicy::keep;
  device::Parking* parking_ = nullptr;
  Weight input_norm_;
  Weight qkv_;
  Weight qkv_bias_;
  Weight q_norm_;
  Weight k_norm_;
  Weight output_;
  Weight output_bias_;
  Weight post_norm_;
  Weight gate_up_;
  Weight gate_up_bias_;
  Weight down_;
  Weight down_bias_;
};

}  // namespace fg::model
