#include "fg/arch/tensor_names.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fg/base/failpoint.hpp>

namespace fg::arch {
namespace {

using Shape = std::vector<std::uint64_t>;

std::uint64_t size(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

class Names {
public:
  Names(const ModelConfig& config, store::Dtype dtype) : config_(config), dtype_(dtype) {}

  std::vector<store::TensorInfo> all() {
    const std::uint64_t hidden = size(config_.hidden_size);
    const std::uint64_t rows = size(config_.vocab_size);
    add(embedding_name, {rows, hidden});
    for (std::int64_t layer = 0; layer < config_.layers; ++layer)
      add_layer("model.layers." + std::to_string(layer) + ".");
    add("model.norm.weight", {hidden});
    if (!config_.tied) add(head_name, {rows, hidden});
    return std::move(tensors_);
  }

private:
  void add(std::string name, Shape shape) {
    tensors_.push_back({std::move(name), dtype_, std::move(shape)});
  }

  void add_linear(const std::string& name, std::uint64_t outputs, std::uint64_t inputs, bool bias) {
    add(name + ".weight", {outputs, inputs});
    if (bias) add(name + ".bias", {outputs});
  }

  void add_layer(const std::string& layer) {
    const std::uint64_t hidden = size(config_.hidden_size);
    const std::uint64_t width = size(config_.head_dim);
    const std::uint64_t queries = size(config_.heads) * width;
    const std::uint64_t keys = size(config_.kv_heads) * width;
    const std::uint64_t inner = size(config_.intermediate_size);
    const std::string attention = layer + "self_attn.";
    add(layer + "input_layernorm.weight", {hidden});
    add_linear(attention + "q_proj", queries, hidden, config_.qkv_bias);
    add_linear(attention + "k_proj", keys, hidden, config_.qkv_bias);
    add_linear(attention + "v_proj", keys, hidden, config_.qkv_bias);
    add_linear(attention + "o_proj", hidden, queries, config_.output_bias);
    if (config_.qk_norm) {
      add(attention + "q_norm.weight", {width});
      add(attention + "k_norm.weight", {width});
    }
    add(layer + "post_attention_layernorm.weight", {hidden});
    add_linear(layer + "mlp.gate_proj", inner, hidden, config_.mlp_bias);
    add_linear(layer + "mlp.up_proj", inner, hidden, config_.mlp_bias);
    add_linear(layer + "mlp.down_proj", hidden, inner, config_.mlp_bias);
  }

  const ModelConfig& config_;
  store::Dtype dtype_;
  std::vector<store::TensorInfo> tensors_;
};

std::string shown(const Shape& shape) {
  std::string text = "[";
  for (const std::uint64_t extent : shape)
    text += (text.size() == 1 ? "" : ", ") + std::to_string(extent);
  return text + "]";
}

/// "model.layers.N.self_attn.rotary_emb.inv_freq", or the same without a layer: a cache of numbers
/// that follow from config.json, stored by transformers before 4.32.
bool is_rope_cache(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") && name.starts_with("model.");
}

std::string joined(const std::vector<std::string>& items) {
  constexpr std::size_t most = 4;
  std::string text;
  for (std::size_t index = 0; index < std::min(items.size(), most); ++index)
    text += (index == 0 ? "" : ", ") + items[index];
  if (items.size() > most) text += " and " + std::to_string(items.size() - most) + " more";
  return text;
}

void compare(const store::TensorInfo& found, const store::TensorInfo& wanted, TensorCheck& check) {
  if (!store::is_floating(found.dtype))
    check.wrong_shape.push_back(found.name + " is " + std::string(store::name_of(found.dtype)) +
                                ", not a floating type");
  else if (found.shape != wanted.shape && !fault_planted("arch.shape_not_compared"))
    check.wrong_shape.push_back(found.name + " is " + shown(found.shape) + ", not " +
                                shown(wanted.shape));
}

}  // namespace

std::vector<store::TensorInfo> expected_tensors(const ModelConfig& config, store::Dtype dtype) {
  return Names(config, dtype).all();
}

TensorCheck check_tensors(const ModelConfig& config, std::span<const store::TensorInfo> found) {
  const std::vector<store::TensorInfo> expected = expected_tensors(config, store::Dtype::bfloat16);
  std::unordered_map<std::string_view, std::size_t> places;
  for (std::size_t index = 0; index < expected.size(); ++index)
    places.emplace(expected[index].name, index);
  std::vector<bool> seen(expected.size(), false);
  TensorCheck check;
  for (const store::TensorInfo& tensor : found) {
    const auto place = places.find(tensor.name);
    if (place != places.end()) {
      seen[place->second] = true;
      compare(tensor, expected[place->second], check);
    } else if (config.tied && tensor.name == head_name) {
      check.has_tied_head = true;
      compare(tensor, {head_name, tensor.dtype, expected[0].shape}, check);
    } else if (is_rope_cache(tensor.name)) {
      check.dropped.push_back(tensor.name);
    } else {
      check.unexpected.push_back(tensor.name);
      const std::string prefixed = "model." + tensor.name;
      check.lacks_prefix = check.lacks_prefix || places.contains(prefixed);
    }
  }
  for (std::size_t index = 0; index < expected.size(); ++index)
    if (!seen[index]) check.missing.push_back(expected[index].name);
  return check;
}

void require_tensors(const TensorCheck& check, const std::string& name) {
  if (check.passed()) return;
  if (check.lacks_prefix)
    fail(ExitCode::cannot_load,
         name + ": tensor names lack the 'model.' prefix (" + joined(check.unexpected) +
             "); this is a base model saved without its head. Save it as a causal language model "
             "(AutoModelForCausalLM) and use that");
  std::string text = name + ": the tensors are not those that config.json describes";
  if (!check.missing.empty()) text += "; missing: " + joined(check.missing);
  if (!check.unexpected.empty()) text += "; not known: " + joined(check.unexpected);
  if (!check.wrong_shape.empty()) text += "; wrong: " + joined(check.wrong_shape);
  fail(ExitCode::cannot_load, text);
}

}  // namespace fg::arch
