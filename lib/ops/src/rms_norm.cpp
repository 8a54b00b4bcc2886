#include "fg/ops/rms_norm.hpp"

#include <cmath>

#include <fg/base/failpoint.hpp>

#include "cuda_ops.hpp"
#include "kernel.hpp"

namespace fg::ops {
namespace {

void check(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& inverse_rms,
           const at::Tensor& output) {
  const at::ScalarType type = input.scalar_type();
  check_shape(weight, {input.size(-1)}, type, "norm weight");
  check_shape(inverse_rms, input.sizes().slice(0, static_cast<std::size_t>(input.dim() - 1)),
              sum_type(type), "norm inverse_rms");
  FG_CHECK(inverse_rms.is_contiguous());
  check_shape(output, input.sizes(), type, "norm output");
}

template <typename T>
void scale_row(const T* input, const T* weight, Sum<T> inverse, std::int64_t width, T* output) {
  using S = Sum<T>;
  for (std::int64_t index = 0; index < width; ++index)
    output[index] =
        static_cast<T>(static_cast<S>(weight[index]) * (static_cast<S>(input[index]) * inverse));
}

template <typename T>
Sum<T> inverse_rms_of(const T* input, std::int64_t width, double eps) {
  using S = Sum<T>;
  const S squares = sum_of<S>(width, [input](std::int64_t index) {
    const S value = static_cast<S>(input[index]);
    return value * value;
  });
  return S{1} / std::sqrt(squares / static_cast<S>(width) + static_cast<S>(eps));
}

}  // namespace

void rms_norm_forward(const at::Tensor& input, const at::Tensor& weight, double eps,
                      at::Tensor& output, at::Tensor& inverse_rms) {
  check(input, weight, inverse_rms, output);
  if (input.is_cuda()) return cuda::rms_norm_forward(input, weight, eps, output, inverse_rms);
  dispatch(input.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const Rows<T> in(input);
    const Rows<T> out(output);
    const T* const scale = weight.data_ptr<T>();
    Sum<T>* const saved = inverse_rms.data_ptr<Sum<T>>();
    for_rows(in.count(), in.width(), [&](std::int64_t row) {
      saved[row] = inverse_rms_of(in[row], in.width(), eps);
      scale_row(in[row], scale, saved[row], in.width(), out[row]);
    });
  });
}

void add_rms_norm_forward(const at::Tensor& input, const at::Tensor& residual,
                          const at::Tensor& weight, double eps, at::Tensor& sum, at::Tensor& output,
                          at::Tensor& inverse_rms) {
  check(input, weight, inverse_rms, output);
  check_shape(residual, input.sizes(), input.scalar_type(), "norm residual");
  check_shape(sum, input.sizes(), input.scalar_type(), "norm sum");
  if (input.is_cuda())
    return cuda::add_rms_norm_forward(input, residual, weight, eps, sum, output, inverse_rms);
  dispatch(input.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using S = Sum<T>;
    const Rows<T> in(input);
    const Rows<T> past(residual);
    const Rows<T> added(sum);
    const Rows<T> out(output);
    const T* const scale = weight.data_ptr<T>();
    S* const saved = inverse_rms.data_ptr<S>();
    for_rows(in.count(), in.width(), [&](std::int64_t row) {
      T* const total = added[row];
      for (std::int64_t index = 0; index < in.width(); ++index)
        total[index] =
            static_cast<T>(static_cast<S>(in[row][index]) + static_cast<S>(past[row][index]));
      saved[row] = inverse_rms_of(total, in.width(), eps);
      scale_row(total, scale, saved[row], in.width(), out[row]);
    });
  });
}

void rms_norm_again(const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& inverse_rms, at::Tensor& output) {
  check(input, weight, inverse_rms, output);
  if (input.is_cuda()) return cuda::rms_norm_again(input, weight, inverse_rms, output);
  dispatch(input.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const Rows<T> in(input);
    const Rows<T> out(output);
    const T* const scale = weight.data_ptr<T>();
    const Sum<T>* const saved = inverse_rms.data_ptr<Sum<T>>();
    for_rows(in.count(), in.width(), [&](std::int64_t row) {
      scale_row(in[row], scale, saved[row], in.width(), out[row]);
    });
  });
}

void rms_norm_backward_input(const at::Tensor& grad_output, const at::Tensor& input,
                             const at::Tensor& weight, const at::Tensor& inverse_rms,
                             const at::Tensor& grad_residual, at::Tensor& grad_input) {
  check(input, weight, inverse_rms, grad_input);
  check_shape(grad_output, input.sizes(), input.scalar_type(), "norm grad_output");
  if (grad_residual.defined())
    check_shape(grad_residual, input.sizes(), input.scalar_type(), "norm grad_residual");
  if (input.is_cuda())
    return cuda::rms_norm_backward_input(grad_output, input, weight, inverse_rms, grad_residual,
                                         grad_input);
  dispatch(input.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using S = Sum<T>;
    static const bool forgets_mean = fault_planted("ops.norm_gradient_without_mean");
    const Rows<T> in(input);
    const Rows<T> gradients(grad_output);
    const Rows<T> past(grad_residual.defined() ? grad_residual : grad_input);
    const Rows<T> out(grad_input);
    const bool has_past = grad_residual.defined();
    const T* const scale = weight.data_ptr<T>();
    const S* const saved = inverse_rms.data_ptr<S>();
    for_rows(in.count(), 2 * in.width(), [&](std::int64_t row) {
      const T* const x = in[row];
      const T* const gradient = gradients[row];
      const S inverse = saved[row];
      // With n = x · inverse: dx = inverse · (w·dy − n · mean(n · w·dy)).
      const S projection = sum_of<S>(in.width(), [&](std::int64_t index) {
        return static_cast<S>(scale[index]) * static_cast<S>(gradient[index]) *
               static_cast<S>(x[index]);
      });
      const S pull =
          forgets_mean ? S{0} : projection * inverse * inverse / static_cast<S>(in.width());
      const T* const before = past[row];
      T* const result = out[row];
      for (std::int64_t index = 0; index < in.width(); ++index) {
        const S own = inverse * (static_cast<S>(scale[index]) * static_cast<S>(gradient[index]) -
                                 static_cast<S>(x[index]) * pull);
        result[index] = static_cast<T>(has_past ? static_cast<S>(before[index]) + own : own);
      }
    });
  });
}

void rms_norm_backward_weight(const at::Tensor& grad_output, const at::Tensor& input,
                              const at::Tensor& inverse_rms, at::Tensor& grad_weight) {
  check(input, grad_weight, inverse_rms, grad_output);
  if (input.is_cuda())
    return cuda::rms_norm_backward_weight(grad_output, input, inverse_rms, grad_weight);
  dispatch(input.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using S = Sum<T>;
    const Rows<T> in(input);
    const Rows<T> gradients(grad_output);
    const S* const saved = inverse_rms.data_ptr<S>();
    T* const out = grad_weight.data_ptr<T>();
    column_sums<S>(
        in.count(), in.width(),
        [&](std::int64_t row, std::int64_t first, std::int64_t count, S* block) {
          const T* const x = in[row] + first;
          const T* const gradient = gradients[row] + first;
          const S inverse = saved[row];
          for (std::int64_t column = 0; column < count; ++column)
            block[column] +=
                static_cast<S>(gradient[column]) * (static_cast<S>(x[column]) * inverse);
        },
        [&](std::int64_t column, S sum) { out[column] = static_cast<T>(sum); });
  });
}

void rms_norm_backward(const at::Tensor& grad_output, const at::Tensor& input,
                       const at::Tensor& weight, const at::Tensor& inverse_rms,
                       const at::Tensor& grad_residual, at::Tensor& grad_input,
                       at::Tensor& grad_weight) {
  if (!input.is_cuda()) {
    rms_norm_backward_weight(grad_output, input, inverse_rms, grad_weight);
    rms_norm_backward_input(grad_output, input, weight, inverse_rms, grad_residual, grad_input);
    return;
  }
  check(input, weight, inverse_rms, grad_input);
  check(input, grad_weight, inverse_rms, grad_output);
  if (grad_residual.defined())
    check_shape(grad_residual, input.sizes(), input.scalar_type(), "norm grad_residual");
  cuda::rms_norm_backward(grad_output, input, weight, inverse_rms, grad_residual, grad_input,
                          grad_weight);
}

}  // namespace fg::ops
