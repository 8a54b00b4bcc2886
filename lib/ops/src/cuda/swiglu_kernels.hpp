#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "element.hpp"

namespace fg::ops::kernels {

/// See fg/ops/swiglu.hpp. In bf16 the sigmoid is of the fast instructions, about 1e-6 relative.
struct SwiGlu {
  Element element = Element::float32;
  std::int64_t rows = 0;
  std::int64_t width = 0;
  Rows gate_up;
  Rows output;
  Rows grad_output;              // of the backward pass
  Rows grad_gate_up;             // of the backward pass
  bool truncates_index = false;  // planted: offsets of 32 bits
};

cudaError_t swiglu_forward(const SwiGlu& unit, cudaStream_t stream);
cudaError_t swiglu_backward(const SwiGlu& unit, cudaStream_t stream);

}  // namespace fg::ops::kernels
