#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <optional>
#include <tuple>
#include <vector>

#include <ATen/ops/_scaled_dot_product_cudnn_attention.h>
#include <ATen/ops/_scaled_dot_product_cudnn_attention_backward.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>

#include <fg/base/error.hpp>
#include <fg/device/device.hpp>
#include <fg/device/memory.hpp>
#include <fg/device/timer.hpp>
#include <fg/engine/bench.hpp>
#include <fg/ops/attention.hpp>
#include <fg/ops/documents.hpp>
#include <fg/params/layout.hpp>

#include "bench_tokens.hpp"

namespace fg::engine {
namespace {

/// Attention over the slices of a fused matrix, as a layer has it, forward and backward.
class Attention {
public:
  virtual ~Attention() = default;
  virtual void forward() = 0;
  virtual void backward() = 0;
};

struct Heads {
  at::Tensor q;
  at::Tensor k;
  at::Tensor v;
};

/// [tokens, heads, head_dim] each.
Heads split(const at::Tensor& qkv, const arch::ModelConfig& config) {
  const std::int64_t queries = config.heads * config.head_dim;
  const std::int64_t keys = config.kv_heads * config.head_dim;
  const auto part = [&](std::int64_t first, std::int64_t width, std::int64_t heads) {
    return qkv.narrow(1, first, width).unflatten(1, {heads, config.head_dim});
  };
  return {part(0, queries, config.heads), part(queries, keys, config.kv_heads),
          part(queries + keys, keys, config.kv_heads)};
}

ops::AttentionOptions options_of(const arch::ModelConfig& config) {
  return {.scale = 1.0 / std::sqrt(static_cast<double>(config.head_dim)),
          .window = config.sliding_window};
}

class OwnAttention final : public Attention {
public:
  OwnAttention(const BenchTask& task, const at::Tensor& qkv, const at::Tensor& grad_output)
      : documents_(BenchTokens(task).draw_lengths()),
        options_(options_of(task.config)),
        heads_(split(qkv, task.config)),
        grad_output_(grad_output.view(heads_.q.sizes())) {
    documents_.place_on(task.device);
  }

  void forward() override {
    result_ = ops::attention_forward(heads_.q, heads_.k, heads_.v, documents_, options_);
  }
  void backward() override {
    ops::attention_backward(grad_output_, heads_.q, heads_.k, heads_.v, result_, documents_,
                            options_);
  }

private:
  ops::Documents documents_;
  ops::AttentionOptions options_;
  Heads heads_;
  at::Tensor grad_output_;
  ops::AttentionResult result_;
};

/// cuDNN's, for rows of one document each.
class CudnnAttention final : public Attention {
public:
  CudnnAttention(const BenchTask& task, const at::Tensor& qkv, const at::Tensor& grad_output)
      : scale_(options_of(task.config).scale) {
    const Heads heads = split(qkv, task.config);
    const auto rows = [&](const at::Tensor& all) {
      return all.unflatten(0, {task.rows, task.length}).transpose(1, 2);
    };
    heads_ = {rows(heads.q), rows(heads.k), rows(heads.v)};
    grad_output_ = rows(grad_output.view(heads.q.sizes()));
  }

  void forward() override {
    saved_ = at::_scaled_dot_product_cudnn_attention(heads_.q, heads_.k, heads_.v, std::nullopt,
                                                     true, 0.0, true, false, scale_);
  }
  void backward() override {
    const auto& [output, log_sum, starts_q, starts_k, most_q, most_k, seed, offset, mask] = saved_;
    at::_scaled_dot_product_cudnn_attention_backward(
        grad_output_, heads_.q, heads_.k, heads_.v, output, log_sum, seed, offset, at::Tensor(),
        starts_q, starts_k, task_length(most_q), task_length(most_k), 0.0, true, scale_);
  }

private:
  static std::int64_t task_length(const c10::SymInt& most) {
    return most.guard_int(__FILE__, __LINE__);
  }

  double scale_;
  Heads heads_;
  at::Tensor grad_output_;
  decltype(at::_scaled_dot_product_cudnn_attention({}, {}, {}, {}, true)) saved_;
};

/// y = x Wᵀ and its two gradients.
struct Product {
  at::Tensor x;
  at::Tensor y;
  at::Tensor grad_x;
  at::Tensor grad_y;
  at::Tensor grad_weight;

  void forward(const at::Tensor& weight) { at::mm_out(y, x, weight.t()); }
  void backward(const at::Tensor& weight) {
    at::mm_out(grad_x, grad_y, weight);
    at::mm_out(grad_weight, grad_y.t(), x);
  }
};

/// All products and attention of one step. Weights and activations of two layers serve in turn, so
/// that caches help as little as in a step.
class Light {
public:
  Light(const BenchTask& task, std::int64_t kept_layers)
      : task_(task), kept_layers_(kept_layers), tokens_(task.rows * task.length) {
    const arch::ModelConfig& config = task.config;
    const std::int64_t hidden = config.hidden_size;
    const std::int64_t queries = config.heads * config.head_dim;
    const std::int64_t fused = queries + 2 * config.kv_heads * config.head_dim;
    const std::array<std::array<std::int64_t, 2>, 4> shapes{{{hidden, fused},
                                                             {queries, hidden},
                                                             {hidden, 2 * config.intermediate_size},
                                                             {config.intermediate_size, hidden}}};
    for (const auto& [inputs, outputs] : shapes) {
      products_.push_back({random({tokens_, inputs}, 1), random({tokens_, outputs}, 1),
                           empty({tokens_, inputs}), random({tokens_, outputs}, 1),
                           empty({outputs, inputs})});
      for (auto& weights : weights_) weights.push_back(random({outputs, inputs}, 0.02));
    }
    make_head();
    attention_ = choose_attention();
  }

  LightResult run() {
    for (std::int64_t step = 0; step < std::max<std::int64_t>(1, task_.warmup); ++step)
      this->step();
    device::Timer timer(task_.device);
    timer.mark();
    for (std::int64_t step = 0; step < task_.steps; ++step) {
      this->step();
      timer.mark();
    }
    return {timer.seconds(), attention_name_};
  }

private:
  enum Place : std::size_t { qkv, output, gate_up, down };

  at::Tensor empty(at::IntArrayRef shape) const {
    return at::empty(shape, at::TensorOptions(task_.type).device(task_.device));
  }
  /// Not zeros: a GPU's clock depends on the bits that flip.
  at::Tensor random(at::IntArrayRef shape, double deviation) const {
    return empty(shape).normal_(0, deviation);
  }

  /// The head in chunks of tokens, as a fused loss has it, with at most 2^28 logits at once.
  void make_head() {
    const std::int64_t rows = params::padded_rows(task_.config.vocab_size);
    const std::int64_t chunks =
        std::min(tokens_, 1 + (tokens_ * rows - 1) / (std::int64_t{1} << 28));
    chunk_ = (tokens_ + chunks - 1) / chunks;
    head_ = random({rows, task_.config.hidden_size}, 0.02);
    grad_head_ = at::empty_like(head_);
    logits_ = random({chunk_, rows}, 1);
  }

  std::unique_ptr<Attention> choose_attention() {
    auto own = std::make_unique<OwnAttention>(task_, products_[qkv].y, products_[output].x);
    attention_name_ = "fg";
    const bool is_dense = task_.documents == 1 && (!task_.config.sliding_window ||
                                                   *task_.config.sliding_window >= task_.length);
    if (!task_.device.is_cuda() || !is_dense) return own;
    auto cudnn = std::make_unique<CudnnAttention>(task_, products_[qkv].y, products_[output].x);
    const auto seconds = seconds_of(*cudnn);
    if (!seconds || *seconds >= seconds_of(*own).value_or(0)) return own;
    attention_name_ = "cudnn";
    return cudnn;
  }

  /// Of three passes after one; nothing where it does not take this shape.
  std::optional<double> seconds_of(Attention& attention) const {
    const auto pass = [&] {
      attention.forward();
      attention.backward();
    };
    try {
      pass();
      device::Timer timer(task_.device);
      timer.mark();
      for (int count = 0; count < 3; ++count) pass();
      timer.mark();
      return timer.seconds().front();
    } catch (const c10::Error&) {
      return std::nullopt;
    }
  }

  void forward(const std::vector<at::Tensor>& weights, bool is_replay) {
    products_[qkv].forward(weights[qkv]);
    attention_->forward();
    products_[output].forward(weights[output]);
    products_[gate_up].forward(weights[gate_up]);
    if (!is_replay) products_[down].forward(weights[down]);
  }

  void backward(const std::vector<at::Tensor>& weights) {
    products_[down].backward(weights[down]);
    products_[gate_up].backward(weights[gate_up]);
    products_[output].backward(weights[output]);
    attention_->backward();
    products_[qkv].backward(weights[qkv]);
  }

  void head() {
    for (std::int64_t first = 0; first < tokens_; first += chunk_) {
      const std::int64_t count = std::min(chunk_, tokens_ - first);
      const at::Tensor hidden = products_[qkv].x.narrow(0, first, count);
      at::Tensor logits = logits_.narrow(0, 0, count);
      at::Tensor grad_hidden = products_[qkv].grad_x.narrow(0, first, count);
      at::mm_out(logits, hidden, head_.t());
      at::mm_out(grad_hidden, logits, head_);
      if (first == 0)
        at::mm_out(grad_head_, logits.t(), hidden);
      else
        at::addmm_out(grad_head_, grad_head_, logits.t(), hidden);
    }
  }

  void step() {
    const std::int64_t layers = task_.config.layers;
    for (std::int64_t layer = 0; layer < layers; ++layer) forward(weights_of(layer), false);
    head();
    for (std::int64_t layer = layers; layer-- > 0;) {
      if (layer >= kept_layers_) forward(weights_of(layer), true);
      backward(weights_of(layer));
    }
  }

  const std::vector<at::Tensor>& weights_of(std::int64_t layer) const {
    return weights_[static_cast<std::size_t>(layer % 2)];
  }

  const BenchTask& task_;
  std::int64_t kept_layers_;
  std::int64_t tokens_;
  std::vector<Product> products_;
  std::array<std::vector<at::Tensor>, 2> weights_;
  at::Tensor head_;
  at::Tensor grad_head_;
  at::Tensor logits_;
  std::int64_t chunk_ = 0;
  std::unique_ptr<Attention> attention_;
  std::string attention_name_;
};

}  // namespace

LightResult run_light(const BenchTask& task, std::int64_t kept_layers) {
  device::use(task.device);
  device::release_unused(task.device);  // of an earlier bench
  return Light(task, kept_layers).run();
}

}  // namespace fg::engine
