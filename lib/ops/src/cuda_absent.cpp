#include <string>

#include <fg/base/error.hpp>

#include "cuda_ops.hpp"

// A build without CUDA: no tensor is on a GPU, so nothing gets here.
namespace fg::ops::cuda {
namespace {

[[noreturn]] void refuse(const char* operation) {
  fail(ExitCode::bug, std::string(operation) + " on a GPU: this build has no CUDA");
}

}  // namespace

void rms_norm_forward(const at::Tensor&, const at::Tensor&, double, at::Tensor&, at::Tensor&) {
  refuse("rms_norm_forward");
}

void add_rms_norm_forward(const at::Tensor&, const at::Tensor&, const at::Tensor&, double,
                          at::Tensor&, at::Tensor&, at::Tensor&) {
  refuse("add_rms_norm_forward");
}

void rms_norm_again(const at::Tensor&, const at::Tensor&, const at::Tensor&, at::Tensor&) {
  refuse("rms_norm_again");
}

void rms_norm_backward_input(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                             const at::Tensor&, const at::Tensor&, at::Tensor&) {
  refuse("rms_norm_backward_input");
}

void rms_norm_backward_weight(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                              at::Tensor&) {
  refuse("rms_norm_backward_weight");
}

void rms_norm_backward(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                       const at::Tensor&, at::Tensor&, at::Tensor&) {
  refuse("rms_norm_backward");
}

void linear_backward_weight_into(const at::Tensor&, const at::Tensor&, bool, at::Tensor&) {
  refuse("linear_backward_weight_into");
}

void linear_backward_bias(const at::Tensor&, at::Tensor&) {
  refuse("linear_backward_bias");
}

void turn(at::Tensor&, const Rotation&, bool) {
  refuse("rotate");
}

void rotate_back_into(const at::Tensor&, const at::Tensor&, const at::Tensor&, const Rotation&,
                      at::Tensor&) {
  refuse("rotate_back_into");
}

void swiglu_forward(const at::Tensor&, at::Tensor&) {
  refuse("swiglu_forward");
}

void swiglu_backward(const at::Tensor&, const at::Tensor&, at::Tensor&, at::Tensor&) {
  refuse("swiglu_backward");
}

void embedding_forward(const at::Tensor&, const at::Tensor&, std::int64_t, at::Tensor&) {
  refuse("embedding_forward");
}

void embedding_backward(const at::Tensor&, const at::Tensor&, at::Tensor&) {
  refuse("embedding_backward");
}

}  // namespace fg::ops::cuda
