#include "fg/model/kv_cache.hpp"

#include <algorithm>

#include <ATen/ops/empty.h>

#include <fg/base/error.hpp>

namespace fg::model {

KvCache::KvCache(const arch::ModelConfig& config, at::ScalarType type, at::Device device)
    : layers_(static_cast<std::size_t>(config.layers)) {
  const auto options = at::TensorOptions(type).device(device);
  for (Layer& layer : layers_) {
    layer.keys = at::empty({0, config.kv_heads, config.head_dim}, options);
    layer.values = at::empty({0, config.kv_heads, config.head_dim}, options);
  }
}

void KvCache::truncate(std::int64_t length) {
  FG_CHECK(length >= 0 && length <= length_);
  length_ = length;
}

void KvCache::reserve(std::int64_t count) {
  constexpr std::int64_t smallest = 64;
  if (length_ + count <= capacity_) return;
  capacity_ = std::max({length_ + count, 2 * capacity_, smallest});
  const auto grown = [&](const at::Tensor& old) {
    const at::Tensor room = at::empty({capacity_, old.size(1), old.size(2)}, old.options());
    room.narrow(0, 0, length_).copy_(old.narrow(0, 0, length_));
    return room;
  };
  for (Layer& layer : layers_) {
    layer.keys = grown(layer.keys);
    layer.values = grown(layer.values);
  }
}

void KvCache::store(std::int64_t layer, const at::Tensor& keys, const at::Tensor& values) {
  const std::int64_t count = keys.size(0);
  FG_CHECK(length_ + count <= capacity_);
  const Layer& room = layers_[static_cast<std::size_t>(layer)];
  room.keys.narrow(0, length_, count).copy_(keys);
  room.values.narrow(0, length_, count).copy_(values);
}

at::Tensor KvCache::keys(std::int64_t layer, std::int64_t fresh) const {
  return layers_[static_cast<std::size_t>(layer)].keys.narrow(0, 0, length_ + fresh);
}

at::Tensor KvCache::values(std::int64_t layer, std::int64_t fresh) const {
  return layers_[static_cast<std::size_t>(layer)].values.narrow(0, 0, length_ + fresh);
}

}  // namespace fg::model
