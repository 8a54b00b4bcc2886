#include <fg/base/error.hpp>

#include "cuda_attention.hpp"
#include "cuda_cross_entropy.hpp"

// A build without CUDA has no tensors on a GPU.
namespace fg::ops::cuda {
namespace {

[[noreturn]] void refuse(const char* operation) {
  fail(ExitCode::bug, std::string(operation) + " on a GPU: this build has no CUDA");
}

}  // namespace

AttentionResult attention_forward(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                  const Documents&, const AttentionOptions&) {
  refuse("attention_forward");
}

AttentionGradients attention_backward(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                      const at::Tensor&, const AttentionResult&, const Documents&,
                                      const AttentionOptions&) {
  refuse("attention_backward");
}

void attention_cached(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                      const AttentionOptions&, at::Tensor&) {
  refuse("attention_cached");
}

void linear_cross_entropy_forward(const CrossEntropyInput&, at::Tensor&) {
  refuse("linear_cross_entropy_forward");
}

void linear_cross_entropy_backward(const CrossEntropyInput&, double, at::Tensor&, at::Tensor&,
                                   at::Tensor&) {
  refuse("linear_cross_entropy_backward");
}

}  // namespace fg::ops::cuda
