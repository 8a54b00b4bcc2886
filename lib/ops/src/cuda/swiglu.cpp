#include <fg/base/failpoint.hpp>

#include "../cuda_ops.hpp"
#include "glue.hpp"
#include "swiglu_kernels.hpp"

namespace fg::ops::cuda {
namespace {

kernels::SwiGlu args_of(const at::Tensor& gate_up, const at::Tensor& output) {
  static const bool truncates_index = fault_planted("ops.cuda_index_32");
  check_same_gpu({gate_up, output});
  kernels::SwiGlu unit;
  unit.element = element_of(output);
  unit.rows = output.size(0);
  unit.width = output.size(1);
  unit.gate_up = rows_of(gate_up);
  unit.output = rows_of(output);
  unit.truncates_index = truncates_index;
  return unit;
}

}  // namespace

void swiglu_forward(const at::Tensor& gate_up, at::Tensor& output) {
  const kernels::SwiGlu unit = args_of(gate_up, output);
  device::check(kernels::swiglu_forward(unit, device::stream_of(output)), "swiglu_forward");
}

void swiglu_backward(const at::Tensor& grad_output, const at::Tensor& gate_up, at::Tensor& output,
                     at::Tensor& grad_gate_up) {
  kernels::SwiGlu unit = args_of(gate_up, output);
  check_same_gpu({gate_up, grad_output, grad_gate_up});
  unit.grad_output = rows_of(grad_output);
  unit.grad_gate_up = rows_of(grad_gate_up);
  device::check(kernels::swiglu_backward(unit, device::stream_of(output)), "swiglu_backward");
}

}  // namespace fg::ops::cuda
