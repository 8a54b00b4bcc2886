#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <fg/arch/model_config.hpp>

namespace fg::engine {

// The arithmetic that training needs, whatever an implementation spends on it: nothing that is
// computed twice counts, and the head counts for trained tokens only.

/// What one microbatch, step or interval holds.
struct Work {
  std::int64_t tokens = 0;    // positions that go through the layers
  std::int64_t trained = 0;   // those that go through the head
  double attended_pairs = 0;  // Σ over tokens of the tokens each may see, itself included,
                              // averaged over the layers (windows differ)

  Work& operator+=(const Work& other);
};

/// The attention pairs of one document of `length` tokens: length (length + 1) / 2 in a layer
/// without a window.
double attended_pairs(const arch::ModelConfig& config, std::int64_t length);

/// Elements of all matrices that every token is multiplied with, in the layers and in the head.
std::int64_t layer_matrix_elements(const arch::ModelConfig& config);
std::int64_t head_matrix_elements(const arch::ModelConfig& config);

/// Floating-point operations of forward and backward: 6 a matrix element and token, and 12 · layers
/// · width of all heads a pair of tokens (with s_effective = 2 · pairs / tokens that is the 6·L·d·s
/// of the formula).
double training_flops(const arch::ModelConfig& config, const Work& work);

/// Peak operations a second of a device in dense bfloat16 arithmetic, from its makers' tables;
/// nothing for a device that is not listed. `name` is what the driver calls it.
std::optional<double> device_peak_flops(std::string_view name);

}  // namespace fg::engine
