#pragma once

#include <array>
#include <cstdint>

#include <cuda_runtime_api.h>

#include "element.hpp"

namespace fg::ops::kernels {

/// Heads of up to three matrices, side by side, are written to `output` in one launch; the first
/// `turned` of them turned, the others as they are. A source may be its part of `output`.
struct Turn {
  struct Source {
    Rows rows;
    std::int64_t heads = 0;
  };

  Element element = Element::float32;
  std::int64_t tokens = 0;
  std::int64_t half = 0;           // head_dim / 2
  const float* cosines = nullptr;  // [tokens, half]
  const float* sines = nullptr;    // [tokens, half]
  bool backwards = false;
  std::array<Source, 3> sources;
  std::int64_t turned = 0;
  Rows output;
};

cudaError_t turn(const Turn& turn, cudaStream_t stream);

}  // namespace fg::ops::kernels
