#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include <fg/arch/model_config.hpp>
#include <fg/model/block.hpp>

namespace fg::model {

// What activations need, for plans made before anything is allocated. `tokens` are a microbatch's.

/// What one layer holds between forward and backward: exactly Saved::bytes().
std::int64_t saved_bytes(const arch::ModelConfig& config, at::ScalarType type, MemoryPolicy policy,
                         std::int64_t tokens);

/// What one layer's backward pass needs at its peak beyond saved_bytes of `keep`, the gradients
/// that come and go between layers included; with `checkpoint` saved_bytes of `keep` come on top,
/// once.
std::int64_t working_bytes(const arch::ModelConfig& config, at::ScalarType type,
                           std::int64_t tokens, at::DeviceType device = at::kCPU);

/// What one layer holds between the halves of its backward pass beyond saved_bytes of `keep`, where
/// a schedule runs them apart.
std::int64_t halfway_bytes(const arch::ModelConfig& config, at::ScalarType type,
                           std::int64_t tokens);

/// What the head's backward pass needs at its peak.
std::int64_t head_bytes(const arch::ModelConfig& config, at::ScalarType type, std::int64_t tokens,
                        at::DeviceType device = at::kCPU);

/// What Model::train holds at its peak, all layers under one policy, beside parameters, gradients
/// (params::gradient_bytes) and the batch.
std::int64_t train_bytes(const arch::ModelConfig& config, at::ScalarType type, MemoryPolicy policy,
                         std::int64_t tokens);

}  // namespace fg::model
