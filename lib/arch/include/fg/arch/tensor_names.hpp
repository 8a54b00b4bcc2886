#pragma once

#include <span>
#include <string>
#include <vector>

#include <fg/arch/model_config.hpp>
#include <fg/store/tensor_file.hpp>

namespace fg::arch {

inline constexpr const char* embedding_name = "model.embed_tokens.weight";
inline constexpr const char* head_name = "lm_head.weight";

/// Every tensor of a checkpoint of this model under its Hugging Face name, embedding first, then
/// layer by layer, then the last norm and the head; a tied model has no head.
std::vector<store::TensorInfo> expected_tensors(const ModelConfig& config, store::Dtype dtype);

/// What a checkpoint's tensors are against what they should be.
struct TensorCheck {
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
  std::vector<std::string> wrong_shape;  // "NAME is [2, 3], not [3, 2] (...)"
  /// Known harmless extras of old checkpoints, to be left out and said: rotary inv_freq caches.
  std::vector<std::string> dropped;
  /// A tied model's checkpoint stores lm_head.weight too: it may be left out only if its bytes
  /// equal the embedding's, which the caller compares.
  bool has_tied_head = false;
  /// The names lack the "model." prefix: a base model saved without its head.
  bool lacks_prefix = false;

  bool passed() const { return missing.empty() && unexpected.empty() && wrong_shape.empty(); }
};

/// Dtypes are not compared, but every tensor must be of a floating type.
TensorCheck check_tensors(const ModelConfig& config, std::span<const store::TensorInfo> found);

/// Throws Error(cannot_load) that begins with `name` and lists what is wrong, unless it passed.
void require_tensors(const TensorCheck& check, const std::string& name);

}  // namespace fg::arch
