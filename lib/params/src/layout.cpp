#include "fg/params/layout.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <numeric>
#include <string_view>
#include <utility>

#include <fg/arch/tensor_names.hpp>
#include <fg/base/error.hpp>

namespace fg::params {
namespace {

constexpr std::string_view layer_prefix = "model.layers.";

constexpr std::array<std::pair<std::string_view, Role>, 19> layer_roles{{
    {"input_layernorm.weight", Role::input_norm},
    {"self_attn.q_proj.weight", Role::qkv},
    {"self_attn.k_proj.weight", Role::qkv},
    {"self_attn.v_proj.weight", Role::qkv},
    {"self_attn.q_proj.bias", Role::qkv_bias},
    {"self_attn.k_proj.bias", Role::qkv_bias},
    {"self_attn.v_proj.bias", Role::qkv_bias},
    {"self_attn.q_norm.weight", Role::q_norm},
    {"self_attn.k_norm.weight", Role::k_norm},
    {"self_attn.o_proj.weight", Role::output},
    {"self_attn.o_proj.bias", Role::output_bias},
    {"post_attention_layernorm.weight", Role::post_norm},
    {"mlp.gate_proj.weight", Role::gate_up},
    {"mlp.up_proj.weight", Role::gate_up},
    {"mlp.gate_proj.bias", Role::gate_up_bias},
    {"mlp.up_proj.bias", Role::gate_up_bias},
    {"mlp.down_proj.weight", Role::down},
    {"mlp.down_proj.bias", Role::down_bias},
    {"norm.weight", Role::final_norm},
}};

struct Place {
  Role role;
  std::int64_t layer;
};

Place place_of(std::string_view name) {
  if (name == arch::embedding_name) return {Role::embedding, 0};
  if (name == arch::head_name) return {Role::head, 0};
  std::int64_t layer = 0;
  std::string_view rest = name.substr(std::string_view("model.").size());
  if (name.starts_with(layer_prefix)) {
    rest = name.substr(layer_prefix.size());
    const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), layer);
    rest = rest.substr(static_cast<std::size_t>(read.ptr - rest.data()) + 1);
  }
  for (const auto& [suffix, role] : layer_roles)
    if (rest == suffix) return {role, layer};
  fail(ExitCode::bug, "no place for the tensor " + std::string(name));
}

bool is_held_by(const Part& part, const Place& place, bool tied) {
  switch (place.role) {
    case Role::embedding:
      return part.has_embedding || (tied && part.has_head);
    case Role::head:
    case Role::final_norm:
      return part.has_head;
    case Role::input_norm:
    case Role::qkv:
    case Role::qkv_bias:
    case Role::q_norm:
    case Role::k_norm:
    case Role::output:
    case Role::output_bias:
    case Role::post_norm:
    case Role::gate_up:
    case Role::gate_up_bias:
    case Role::down:
    case Role::down_bias:
      return place.layer >= part.first_layer && place.layer < part.last_layer;
  }
  return false;
}

bool is_held(const Place& place, std::span<const Part> parts, bool tied) {
  return std::ranges::any_of(parts,
                             [&](const Part& part) { return is_held_by(part, place, tied); });
}

/// What a tied model needs where embedding and head are both here.
void tie_ends(Layout& layout, std::span<const Part> parts) {
  const auto embedding = layout.find(Role::embedding);
  const bool has_embedding = std::ranges::any_of(parts, &Part::has_embedding);
  const bool has_head = std::ranges::any_of(parts, &Part::has_head);
  if (!has_embedding || !has_head) return;
  const bool are_one_part = std::ranges::any_of(
      parts, [](const Part& part) { return part.has_embedding && part.has_head; });
  if (are_one_part) {
    layout.fused[*embedding].gradient_parts = 2;
    return;
  }
  FusedTensor head = layout.fused[*embedding];
  head.role = Role::head;
  head.logical.clear();
  head.shares_value_of = embedding;
  layout.fused.push_back(std::move(head));
}

std::int64_t product(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::size_t find_or_add(Layout& layout, const Place& place,
                        const std::vector<std::int64_t>& shape) {
  if (const auto found = layout.find(place.role, place.layer);
      found && layout.fused[*found].role == place.role)
    return *found;
  FusedTensor fused{place.role, place.layer, shape, {}, 1, {}};
  fused.shape[0] = 0;
  layout.fused.push_back(std::move(fused));
  return layout.fused.size() - 1;
}

}  // namespace

Part whole(const arch::ModelConfig& config) {
  return {0, config.layers, true, true};
}

std::int64_t LogicalTensor::elements() const {
  return product(shape);
}

std::int64_t FusedTensor::elements() const {
  return product(shape);
}

std::int64_t padded_rows(std::int64_t rows) {
  constexpr std::int64_t multiple = 128;
  return (rows + multiple - 1) / multiple * multiple;
}

std::optional<std::size_t> Layout::find(Role role, std::int64_t layer) const {
  const auto with_role = [&](Role wanted) {
    return std::find_if(fused.begin(), fused.end(), [&](const FusedTensor& tensor) {
      return tensor.role == wanted && tensor.layer == layer;
    });
  };
  auto found = with_role(role);
  if (found == fused.end() && role == Role::head) found = with_role(Role::embedding);
  if (found == fused.end()) return std::nullopt;
  return static_cast<std::size_t>(found - fused.begin());
}

Layout plan_layout(const arch::ModelConfig& config, const Part& part) {
  return plan_layout(config, std::span(&part, 1));
}

Layout plan_layout(const arch::ModelConfig& config, std::span<const Part> parts) {
  for (const Part& part : parts) {
    FG_CHECK(part.first_layer >= 0 && part.first_layer <= part.last_layer);
    FG_CHECK(part.last_layer <= config.layers);
  }
  Layout layout;
  for (const store::TensorInfo& tensor : arch::expected_tensors(config, store::Dtype::float32)) {
    const Place place = place_of(tensor.name);
    if (!is_held(place, parts, config.tied)) continue;
    const std::vector<std::int64_t> shape(tensor.shape.begin(), tensor.shape.end());
    const std::size_t index = find_or_add(layout, place, shape);
    FusedTensor& fused = layout.fused[index];
    fused.logical.push_back(layout.logical.size());
    layout.logical.push_back({tensor.name, shape, index, fused.shape[0]});
    fused.shape[0] += shape[0];
  }
  for (FusedTensor& fused : layout.fused) {
    if (fused.role != Role::embedding && fused.role != Role::head) continue;
    fused.shape[0] = padded_rows(fused.shape[0]);
  }
  if (config.tied) tie_ends(layout, parts);
  return layout;
}

}  // namespace fg::params
