#pragma once

#include <initializer_list>
#include <string>

#include <ATen/core/Tensor.h>

#include <fg/base/error.hpp>
#include <fg/device/cuda_call.hpp>

#include "element.hpp"

// From tensors to what the launchers take.
namespace fg::ops::cuda {

inline kernels::Element element_of(const at::Tensor& tensor) {
  const at::ScalarType type = tensor.scalar_type();
  if (type == at::kFloat) return kernels::Element::float32;
  if (type == at::kBFloat16) return kernels::Element::bfloat16;
  fail(ExitCode::usage, std::string("operation on ") + c10::toString(type) +
                            " on a GPU, which has kernels for float32 and bfloat16");
}

/// Undefined tensors have no rows and no data.
inline kernels::Rows rows_of(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  FG_CHECK(tensor.dim() == 2 || tensor.dim() == 3);
  FG_CHECK(tensor.size(-1) <= 1 || tensor.stride(-1) == 1);
  kernels::Rows rows{tensor.data_ptr(), 0, 0};
  if (tensor.size(0) > 1) rows.token_stride = tensor.stride(0);
  if (tensor.dim() == 3 && tensor.size(1) > 1) rows.head_stride = tensor.stride(1);
  return rows;
}

inline std::int64_t heads_of(const at::Tensor& tensor) {
  return tensor.dim() == 3 ? tensor.size(1) : 1;
}

/// All that are defined are on one GPU, or Error(bug).
inline void check_same_gpu(std::initializer_list<at::Tensor> tensors) {
  const at::Device device = tensors.begin()->device();
  for (const at::Tensor& tensor : tensors)
    if (tensor.defined() && tensor.device() != device)
      fail(ExitCode::bug,
           "one operation on tensors on " + device.str() + " and " + tensor.device().str());
}

}  // namespace fg::ops::cuda
