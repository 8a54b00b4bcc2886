#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/arch/model_config.hpp>

namespace fg::model {

/// Keys (rotated) and values of one sequence in generation, [tokens, kv_heads, head_dim] a layer.
/// Room grows by doubling.
class KvCache {
public:
  KvCache(const arch::ModelConfig& config, at::ScalarType type, at::Device device = at::kCPU);

  std::int64_t length() const noexcept { return length_; }
  /// Forgets all tokens from `length` on; `length` is at most length().
  void truncate(std::int64_t length);

  /// Room for `count` more tokens in every layer, before they are stored.
  void reserve(std::int64_t count);
  /// Stores the keys and values of the next tokens of a layer.
  void store(std::int64_t layer, const at::Tensor& keys, const at::Tensor& values);
  /// All so far and the `fresh` ones just stored.
  at::Tensor keys(std::int64_t layer, std::int64_t fresh) const;
  at::Tensor values(std::int64_t layer, std::int64_t fresh) const;
  /// The tokens stored in every layer now count.
  void advance(std::int64_t count) noexcept { length_ += count; }

private:
  struct Layer {
    at::Tensor keys;
    at::Tensor values;
  };
  std::vector<Layer> layers_;
  std::int64_t length_ = 0;
  std::int64_t capacity_ = 0;
};

}  // namespace fg::model
