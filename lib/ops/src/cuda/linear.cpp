#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include <fg/base/failpoint.hpp>

#include "../cuda_ops.hpp"
#include "glue.hpp"

namespace fg::ops::cuda {

void linear_backward_weight_into(const at::Tensor& grad_output, const at::Tensor& input,
                                 bool is_first, at::Tensor& total) {
  static const bool overwrites = fault_planted("ops.cuda_total_overwritten");
  check_same_gpu({grad_output, input, total});
  const at::Tensor left = grad_output.t();
  // LibTorch has products into another type than the operands' apart.
  const bool widens = total.scalar_type() != input.scalar_type();
  if (is_first || overwrites)
    widens ? at::mm_out(total, left, input, total.scalar_type()) : at::mm_out(total, left, input);
  else
    widens ? at::addmm_out(total, total, left, input, total.scalar_type())
           : at::addmm_out(total, total, left, input);
}

}  // namespace fg::ops::cuda
