#include <limits>

#include <ATen/ops/empty.h>

#include <fg/base/failpoint.hpp>

#include "../cuda_ops.hpp"
#include "column_kernels.hpp"
#include "glue.hpp"
#include "norm_kernels.hpp"

namespace fg::ops::cuda {
namespace {

kernels::RmsNorm args_of(const at::Tensor& input, const at::Tensor& weight,
                         const at::Tensor& output, const at::Tensor& inverse_rms) {
  static const bool loses_tail = fault_planted("ops.cuda_tail_unhandled");
  static const bool loses_last_partial = fault_planted("ops.cuda_norm_sum_short");
  FG_CHECK(input.size(-1) <= std::numeric_limits<int>::max());
  check_same_gpu({input, weight, output, inverse_rms});
  kernels::RmsNorm norm;
  norm.element = element_of(input);
  norm.rows = inverse_rms.numel();
  norm.heads = heads_of(input);
  norm.width = input.size(-1);
  norm.input = rows_of(input);
  norm.output = rows_of(output);
  norm.weight = weight.data_ptr();
  norm.inverse_rms = inverse_rms.data_ptr<float>();
  norm.loses_tail = loses_tail;
  norm.loses_last_partial = loses_last_partial;
  return norm;
}

kernels::RmsNormBackward args_of(const at::Tensor& grad_output, const at::Tensor& input,
                                 const at::Tensor& weight, const at::Tensor& inverse_rms,
                                 const at::Tensor& grad_residual, const at::Tensor& grad_input) {
  FG_CHECK(input.size(-1) <= std::numeric_limits<int>::max());
  check_same_gpu({input, weight, inverse_rms, grad_output, grad_residual, grad_input});
  kernels::RmsNormBackward norm;
  norm.element = element_of(input);
  norm.rows = inverse_rms.numel();
  norm.heads = heads_of(input);
  norm.width = input.size(-1);
  norm.grad_output = rows_of(grad_output);
  norm.input = rows_of(input);
  norm.grad_residual = rows_of(grad_residual);
  norm.grad_input = rows_of(grad_input);
  norm.weight = weight.data_ptr();
  norm.inverse_rms = inverse_rms.data_ptr<float>();
  return norm;
}

/// fp32 memory for sums of parts of the rows.
at::Tensor partials_for(const at::Tensor& like, std::int64_t blocks) {
  return at::empty({blocks, like.size(-1)}, like.options().dtype(at::kFloat));
}

void sum_columns(kernels::ColumnSums& sums, const at::Tensor& gradient, at::Tensor& output,
                 const char* what) {
  sums.element = element_of(gradient);
  sums.heads = heads_of(gradient);
  sums.rows = gradient.size(0) * sums.heads;
  sums.width = gradient.size(-1);
  sums.gradient = rows_of(gradient);
  sums.output = output.data_ptr();
  const at::Tensor partials = partials_for(gradient, kernels::column_sum_blocks(sums));
  sums.partials = partials.data_ptr<float>();
  device::check(kernels::column_sums(sums, device::stream_of(gradient)), what);
}

}  // namespace

void rms_norm_forward(const at::Tensor& input, const at::Tensor& weight, double eps,
                      at::Tensor& output, at::Tensor& inverse_rms) {
  kernels::RmsNorm norm = args_of(input, weight, output, inverse_rms);
  norm.eps = static_cast<float>(eps);
  device::check(kernels::rms_norm_forward(norm, device::stream_of(input)), "rms_norm_forward");
}

void add_rms_norm_forward(const at::Tensor& input, const at::Tensor& residual,
                          const at::Tensor& weight, double eps, at::Tensor& sum, at::Tensor& output,
                          at::Tensor& inverse_rms) {
  kernels::RmsNorm norm = args_of(input, weight, output, inverse_rms);
  check_same_gpu({input, residual, sum});
  norm.residual = rows_of(residual);
  norm.sum = rows_of(sum);
  norm.eps = static_cast<float>(eps);
  device::check(kernels::add_rms_norm_forward(norm, device::stream_of(input)),
                "add_rms_norm_forward");
}

void rms_norm_again(const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& inverse_rms, at::Tensor& output) {
  const kernels::RmsNorm norm = args_of(input, weight, output, inverse_rms);
  device::check(kernels::rms_norm_again(norm, device::stream_of(input)), "rms_norm_again");
}

void rms_norm_backward_input(const at::Tensor& grad_output, const at::Tensor& input,
                             const at::Tensor& weight, const at::Tensor& inverse_rms,
                             const at::Tensor& grad_residual, at::Tensor& grad_input) {
  const kernels::RmsNormBackward norm =
      args_of(grad_output, input, weight, inverse_rms, grad_residual, grad_input);
  device::check(kernels::rms_norm_backward_input(norm, device::stream_of(input)),
                "rms_norm_backward_input");
}

void rms_norm_backward_weight(const at::Tensor& grad_output, const at::Tensor& input,
                              const at::Tensor& inverse_rms, at::Tensor& grad_weight) {
  check_same_gpu({grad_output, input, inverse_rms, grad_weight});
  kernels::ColumnSums sums;
  sums.input = rows_of(input);
  sums.inverse_rms = inverse_rms.data_ptr<float>();
  sum_columns(sums, grad_output, grad_weight, "rms_norm_backward_weight");
}

void rms_norm_backward(const at::Tensor& grad_output, const at::Tensor& input,
                       const at::Tensor& weight, const at::Tensor& inverse_rms,
                       const at::Tensor& grad_residual, at::Tensor& grad_input,
                       at::Tensor& grad_weight) {
  kernels::RmsNormBackward norm =
      args_of(grad_output, input, weight, inverse_rms, grad_residual, grad_input);
  const std::int64_t blocks = kernels::norm_backward_blocks(norm);
  if (blocks == 0) {
    rms_norm_backward_weight(grad_output, input, inverse_rms, grad_weight);
    rms_norm_backward_input(grad_output, input, weight, inverse_rms, grad_residual, grad_input);
    return;
  }
  check_same_gpu({input, grad_weight});
  const at::Tensor partials = partials_for(input, blocks);
  norm.partials = partials.data_ptr<float>();
  norm.grad_weight = grad_weight.data_ptr();
  device::check(kernels::rms_norm_backward(norm, device::stream_of(input)), "rms_norm_backward");
}

void linear_backward_bias(const at::Tensor& grad_output, at::Tensor& grad_bias) {
  check_same_gpu({grad_output, grad_bias});
  kernels::ColumnSums sums;
  sum_columns(sums, grad_output, grad_bias, "linear_backward_bias");
}

}  // namespace fg::ops::cuda
