#include "fg/ops/swiglu.hpp"

#include <cmath>

#include "cuda_ops.hpp"
#include "kernel.hpp"

namespace fg::ops {
namespace {

/// exp counts for about this many plain operations.
constexpr std::int64_t exp_cost = 8;

template <typename S>
S sigmoid(S value) {
  return S{1} / (S{1} + std::exp(-value));
}

}  // namespace

void swiglu_forward(const at::Tensor& gate_up, at::Tensor& output) {
  check_shape(gate_up, {output.size(0), 2 * output.size(1)}, output.scalar_type(), "gate_up");
  if (output.is_cuda()) return cuda::swiglu_forward(gate_up, output);
  dispatch(output.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using S = Sum<T>;
    const Rows<T> in(gate_up);
    const Rows<T> out(output);
    const std::int64_t width = out.width();
    for_rows(out.count(), exp_cost * width, [&](std::int64_t row) {
      const T* const gates = in[row];
      const T* const ups = gates + width;
      T* const result = out[row];
      for (std::int64_t index = 0; index < width; ++index) {
        const S gate = static_cast<S>(gates[index]);
        result[index] = static_cast<T>(gate * sigmoid(gate) * static_cast<S>(ups[index]));
      }
    });
  });
}

void swiglu_backward(const at::Tensor& grad_output, const at::Tensor& gate_up, at::Tensor& output,
                     at::Tensor& grad_gate_up) {
  const at::ScalarType type = grad_output.scalar_type();
  check_shape(gate_up, {grad_output.size(0), 2 * grad_output.size(1)}, type, "gate_up");
  check_shape(output, grad_output.sizes(), type, "swiglu output");
  check_shape(grad_gate_up, gate_up.sizes(), type, "grad_gate_up");
  if (output.is_cuda()) return cuda::swiglu_backward(grad_output, gate_up, output, grad_gate_up);
  dispatch(type, [&](auto zero) {
    using T = decltype(zero);
    using S = Sum<T>;
    const Rows<T> gradients(grad_output);
    const Rows<T> in(gate_up);
    const Rows<T> again(output);
    const Rows<T> out(grad_gate_up);
    const std::int64_t width = gradients.width();
    for_rows(gradients.count(), exp_cost * width, [&](std::int64_t row) {
      const T* const gradient_row = gradients[row];
      const T* const values = in[row];
      T* const result = again[row];
      T* const grad = out[row];
      for (std::int64_t index = 0; index < width; ++index) {
        const S gradient = static_cast<S>(gradient_row[index]);
        const S gate = static_cast<S>(values[index]);
        const S up = static_cast<S>(values[index + width]);
        const S open = sigmoid(gate);
        result[index] = static_cast<T>(gate * open * up);
        grad[index] = static_cast<T>(gradient * up * (open * (S{1} + gate * (S{1} - open))));
        grad[index + width] = static_cast<T>(gradient * (gate * open));
      }
    });
  });
}

}  // namespace fg::ops
