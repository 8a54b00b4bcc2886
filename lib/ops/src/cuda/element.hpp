#pragma once

#include <cstdint>

// What the launchers of this folder's kernels take. Plain C++: no header of LibTorch reaches nvcc.
namespace fg::ops::kernels {

enum class Element { float32, bfloat16 };

/// A tensor [tokens, width] or [tokens, heads, width] whose last dimension is contiguous. Strides
/// are in elements, and 0 where there is one token or one head.
struct Rows {
  void* data = nullptr;
  std::int64_t token_stride = 0;
  std::int64_t head_stride = 0;
};

}  // namespace fg::ops::kernels
