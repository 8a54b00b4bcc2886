#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <fg/model/model.hpp>
#include <fg/test/oracle.hpp>

// The whole model as a plain formula over tensors by their Hugging Face names, for autograd. It
// knows nothing of fusing or packing: documents are run one by one.
namespace fg::test {

using NamedTensors = std::map<std::string, torch::Tensor>;

class AutogradModel {
public:
  AutogradModel(const arch::ModelConfig& config, NamedTensors weights)
      : config_(config),
        weights_(std::move(weights)),
        tables_(config.rope, config.head_dim, config.max_position_embeddings) {}

  /// One layer on one document: [tokens, hidden] to the same.
  torch::Tensor layer(std::int64_t index, const torch::Tensor& input) {
    const std::string prefix = "model.layers." + std::to_string(index) + ".";
    const torch::Tensor middle =
        input + attention(prefix, index, norm(input, prefix + "input_layernorm.weight"));
    const torch::Tensor normal = norm(middle, prefix + "post_attention_layernorm.weight");
    const torch::Tensor gate = torch::silu(linear(prefix + "mlp.gate_proj", normal));
    const torch::Tensor unit = gate * linear(prefix + "mlp.up_proj", normal);
    return middle + linear(prefix + "mlp.down_proj", unit);
  }

  torch::Tensor logits(const torch::Tensor& ids) {
    torch::Tensor hidden = weights_.at("model.embed_tokens.weight").index_select(0, ids);
    for (std::int64_t index = 0; index < config_.layers; ++index) hidden = layer(index, hidden);
    const char* const head = config_.tied ? "model.embed_tokens.weight" : "lm_head.weight";
    return norm(hidden, "model.norm.weight").matmul(weights_.at(head).t());
  }

private:
  torch::Tensor norm(const torch::Tensor& input, const std::string& name) const {
    const auto wide = input.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
    const torch::Tensor values = input.to(wide);
    const torch::Tensor normal =
        values * torch::rsqrt(values.pow(2).mean(-1, true) + config_.rms_norm_eps);
    return weights_.at(name) * normal.to(input.scalar_type());
  }

  torch::Tensor linear(const std::string& name, const torch::Tensor& input) const {
    const auto bias = weights_.find(name + ".bias");
    return torch::nn::functional::linear(input, weights_.at(name + ".weight"),
                                         bias == weights_.end() ? torch::Tensor() : bias->second);
  }

  torch::Tensor heads(const std::string& name, const torch::Tensor& input) const {
    return linear(name, input).view({input.size(0), -1, config_.head_dim});
  }

  torch::Tensor turned(const torch::Tensor& values) {
    const ops::Rotation rotation = tables_.for_positions(0, values.size(0));
    const auto spread = [&](const torch::Tensor& table) {
      return torch::cat({table, table}, 1).unsqueeze(1).to(values.scalar_type());
    };
    const std::int64_t half = config_.head_dim / 2;
    const torch::Tensor other =
        torch::cat({-values.narrow(2, half, half), values.narrow(2, 0, half)}, 2);
    return values * spread(rotation.cosines) + other * spread(rotation.sines);
  }

  torch::Tensor attention(const std::string& prefix, std::int64_t index,
                          const torch::Tensor& input) {
    const std::string names = prefix + "self_attn.";
    torch::Tensor q = heads(names + "q_proj", input);
    torch::Tensor k = heads(names + "k_proj", input);
    if (config_.qk_norm) {
      q = norm(q, names + "q_norm.weight");
      k = norm(k, names + "k_norm.weight");
    }
    const std::int64_t group = config_.heads / config_.kv_heads;
    const auto spread = [&](const torch::Tensor& tensor) {
      return tensor.transpose(0, 1).repeat_interleave(group, 0);
    };
    const torch::Tensor scores =
        torch::matmul(turned(q).transpose(0, 1), spread(turned(k)).transpose(1, 2)) /
        std::sqrt(static_cast<double>(config_.head_dim));
    const auto wide = input.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
    const torch::Tensor shares =
        torch::softmax(scores + mask(index, input.size(0), scores.options()), -1, wide)
            .to(input.scalar_type());
    const torch::Tensor mixed = torch::matmul(shares, spread(heads(names + "v_proj", input)));
    return linear(names + "o_proj", mixed.transpose(0, 1).reshape({input.size(0), -1}));
  }

  torch::Tensor mask(std::int64_t index, std::int64_t tokens, torch::TensorOptions options) const {
    const torch::Tensor positions = torch::arange(tokens);
    const torch::Tensor distance = positions.unsqueeze(1) - positions.unsqueeze(0);
    torch::Tensor hidden = distance.lt(0);
    if (config_.windowed[static_cast<std::size_t>(index)])
      hidden = hidden.logical_or(distance.ge(*config_.sliding_window));
    return torch::zeros({tokens, tokens}, options)
        .masked_fill(hidden, -std::numeric_limits<double>::infinity());
  }

  arch::ModelConfig config_;
  NamedTensors weights_;
  ops::RotaryTables tables_;
};

}  // namespace fg::test
