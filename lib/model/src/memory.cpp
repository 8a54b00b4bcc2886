#include "fg/model/memory.hpp"

#include <algorithm>

#include <fg/ops/cross_entropy.hpp>
#include <fg/params/layout.hpp>

namespace fg::model {
namespace {

std::int64_t bytes_of(at::ScalarType type) {
  return static_cast<std::int64_t>(c10::elementSize(type));
}

std::int64_t sum_bytes(at::ScalarType type) {
  return type == at::kDouble ? 8 : 4;
}

struct Widths {
  explicit Widths(const arch::ModelConfig& config)
      : hidden(config.hidden_size),
        inner(config.intermediate_size),
        queries(config.heads * config.head_dim),
        qkv((config.heads + 2 * config.kv_heads) * config.head_dim) {}

  std::int64_t hidden;
  std::int64_t inner;
  std::int64_t queries;
  std::int64_t qkv;
};

}  // namespace

std::int64_t saved_bytes(const arch::ModelConfig& config, at::ScalarType type, MemoryPolicy policy,
                         std::int64_t tokens) {
  const Widths widths(config);
  if (policy == MemoryPolicy::offload) return 0;
  if (policy == MemoryPolicy::checkpoint) return tokens * widths.hidden * bytes_of(type);
  const std::int64_t values = 2 * widths.hidden + widths.qkv + widths.queries + 2 * widths.inner;
  const std::int64_t head_norms = config.qk_norm ? config.heads + config.kv_heads : 0;
  const std::int64_t sums = 2 + config.heads + head_norms;
  return tokens * (values * bytes_of(type) + sums * sum_bytes(type));
}

std::int64_t working_bytes(const arch::ModelConfig& config, at::ScalarType type,
                           std::int64_t tokens, at::DeviceType device) {
  const Widths widths(config);
  // While attention's backward pass runs: gradients of the output and of the middle, the gated
  // unit, the gradient of attention's output, and those of q, k and v twice, as the kernel gives
  // them and fused; with norms of q and k, both once more as attention takes them.
  const std::int64_t turned = config.qk_norm ? (widths.queries + widths.qkv) / 2 : 0;
  const std::int64_t values =
      2 * widths.hidden + widths.inner + widths.queries + 2 * widths.qkv + turned;
  // On a GPU the kernel sums the gradient of q in fp32.
  const std::int64_t sums = device == at::kCUDA ? widths.queries * sum_bytes(type) : 0;
  return tokens * (values * bytes_of(type) + sums);
}

std::int64_t halfway_bytes(const arch::ModelConfig& config, at::ScalarType type,
                           std::int64_t tokens) {
  const Widths widths(config);
  // Gradients of the output, the middle, q, k and v, gate and up; and the gated unit.
  return tokens * (2 * widths.hidden + widths.qkv + 3 * widths.inner) * bytes_of(type);
}

std::int64_t head_bytes(const arch::ModelConfig& config, at::ScalarType type, std::int64_t tokens,
                        at::DeviceType device) {
  const std::int64_t rows = params::padded_rows(config.vocab_size);
  if (device == at::kCUDA) {
    const std::int64_t gpu_chunk = ops::gpu_chunk_tokens(rows, tokens);
    return (2 * tokens * config.hidden_size + gpu_chunk * (rows + config.hidden_size)) *
           bytes_of(type);
  }
  const std::int64_t chunk = ops::CrossEntropyInput().chunk_tokens;
  const std::int64_t hidden = config.hidden_size;
  std::int64_t bytes = (2 * tokens * hidden + chunk * (rows + hidden)) * bytes_of(type);
  // A 16-bit head's gradient and its chunks are in fp32.
  if (bytes_of(type) == 2) bytes += 4 * (rows * hidden + chunk * (rows + hidden));
  return bytes;
}

std::int64_t train_bytes(const arch::ModelConfig& config, at::ScalarType type, MemoryPolicy policy,
                         std::int64_t tokens) {
  const std::int64_t saved = config.layers * saved_bytes(config, type, policy, tokens);
  const std::int64_t hidden = tokens * config.hidden_size * bytes_of(type);
  std::int64_t layer = working_bytes(config, type, tokens);
  if (policy == MemoryPolicy::checkpoint)
    layer += saved_bytes(config, type, MemoryPolicy::keep, tokens) - hidden;
  return saved + std::max(hidden + head_bytes(config, type, tokens), layer);
}

}  // namespace fg::model
