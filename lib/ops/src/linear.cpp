#include "fg/ops/linear.hpp"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include "cuda_ops.hpp"
#include "kernel.hpp"

namespace fg::ops {

void linear_forward(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                    at::Tensor& output) {
  check_shape(output, {input.size(0), weight.size(0)}, input.scalar_type(), "linear output");
  if (bias.defined())
    at::addmm_out(output, bias, input, weight.t());
  else
    at::mm_out(output, input, weight.t());
}

void linear_backward_input(const at::Tensor& grad_output, const at::Tensor& weight,
                           at::Tensor& grad_input) {
  check_shape(grad_input, {grad_output.size(0), weight.size(1)}, grad_output.scalar_type(),
              "linear grad_input");
  at::mm_out(grad_input, grad_output, weight);
}

void linear_backward_weight(const at::Tensor& grad_output, const at::Tensor& input,
                            at::Tensor& grad_weight) {
  check_shape(grad_weight, {grad_output.size(1), input.size(1)}, grad_output.scalar_type(),
              "linear grad_weight");
  at::mm_out(grad_weight, grad_output.t(), input);
}

void linear_backward_weight_into(const at::Tensor& grad_output, const at::Tensor& input,
                                 bool is_first, at::Tensor& total) {
  check_shape(total, {grad_output.size(1), input.size(1)}, total.scalar_type(), "linear total");
  cuda::linear_backward_weight_into(grad_output, input, is_first, total);
}

void linear_backward_bias(const at::Tensor& grad_output, at::Tensor& grad_bias) {
  check_shape(grad_bias, {grad_output.size(1)}, grad_output.scalar_type(), "linear grad_bias");
  if (grad_output.is_cuda()) return cuda::linear_backward_bias(grad_output, grad_bias);
  dispatch(grad_output.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const Rows<T> gradients(grad_output);
    T* const out = grad_bias.data_ptr<T>();
    column_sums<Sum<T>>(
        gradients.count(), gradients.width(),
        [&](std::int64_t row, std::int64_t first, std::int64_t count, Sum<T>* block) {
          const T* const gradient = gradients[row] + first;
          for (std::int64_t column = 0; column < count; ++column)
            block[column] += static_cast<Sum<T>>(gradient[column]);
        },
        [&](std::int64_t column, Sum<T> sum) { out[column] = static_cast<T>(sum); });
  });
}

}  // namespace fg::ops
