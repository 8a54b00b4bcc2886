#pragma once

#include <fg/ops/cross_entropy.hpp>

// The head and the loss on a GPU; see fg/ops/cross_entropy.hpp. Shapes have been checked.
namespace fg::ops::cuda {

void linear_cross_entropy_forward(const CrossEntropyInput& input, at::Tensor& losses);
void linear_cross_entropy_backward(const CrossEntropyInput& input, double scale, at::Tensor& losses,
                                   at::Tensor& grad_hidden, at::Tensor& grad_head);

}  // namespace fg::ops::cuda
