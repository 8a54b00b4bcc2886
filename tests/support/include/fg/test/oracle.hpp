#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

// The oracle of every operation: LibTorch's autograd over a plain formula.
namespace fg::test {

using Tensors = std::vector<torch::Tensor>;
/// The formula: from the inputs to one output.
using Formula = std::function<torch::Tensor(const Tensors&)>;

inline torch::Tensor seeded(at::IntArrayRef shape, std::int64_t seed) {
  torch::Generator generator = at::detail::createCPUGenerator(static_cast<std::uint64_t>(seed));
  return torch::randn(shape, generator, torch::kFloat64);
}

inline Tensors to(const Tensors& tensors, torch::ScalarType type) {
  Tensors result;
  for (const torch::Tensor& tensor : tensors)
    result.push_back(tensor.is_floating_point() ? tensor.to(type) : tensor);
  return result;
}

/// Output, then the gradient of each floating input, all in `type` arithmetic.
inline Tensors autograd(const Formula& formula, const Tensors& inputs,
                        const torch::Tensor& grad_output, torch::ScalarType type) {
  Tensors leaves;
  Tensors wanted;
  for (const torch::Tensor& input : to(inputs, type)) {
    leaves.push_back(input.detach().clone());
    if (!input.is_floating_point()) continue;
    leaves.back().requires_grad_(true);
    wanted.push_back(leaves.back());
  }
  const torch::Tensor output = formula(leaves);
  Tensors result{output.detach()};
  for (const torch::Tensor& gradient :
       torch::autograd::grad({output}, wanted, {grad_output.to(type)}, std::nullopt, false, true))
    result.push_back(gradient);
  for (std::size_t index = 1; index < result.size(); ++index)
    if (!result[index].defined()) result[index] = torch::zeros_like(wanted[index - 1]);
  return result;
}

inline double norm_of(const torch::Tensor& tensor) {
  return tensor.to(torch::kFloat64).norm().item<double>();
}

inline double epsilon_of(torch::ScalarType type) {
  if (type == torch::kFloat64) return std::numeric_limits<double>::epsilon();
  if (type == torch::kFloat32) return std::numeric_limits<float>::epsilon();
  return 0x1p-7;
}

/// 4 · ε · (8 + √terms) · (‖reference‖ + scale): the error of sums of `terms` products in random
/// order grows with the root of their number; 8 for the elementary functions around them. `scale`
/// is the size of what cancels where the reference is small: the norm of the gradient that came in.
inline double bound_of(double epsilon, std::int64_t terms, double size) {
  return 4 * epsilon * (8 + std::sqrt(static_cast<double>(terms))) * size;
}

inline void expect_close(const torch::Tensor& ours, const torch::Tensor& reference,
                         std::int64_t terms, const std::string& what, double scale = 0.0) {
  ASSERT_EQ(ours.sizes(), reference.sizes()) << what;
  EXPECT_LE(norm_of(ours.to(torch::kFloat64) - reference.to(torch::kFloat64)),
            bound_of(epsilon_of(ours.scalar_type()), terms, norm_of(reference) + scale))
      << what << ", norm " << norm_of(reference);
}

/// ‖ours − fp32‖ ≤ 1.25 · ‖PyTorch's 16 bits − fp32‖, with the bound of fp32 sums added.
inline void expect_no_worse(const torch::Tensor& ours, const torch::Tensor& theirs,
                            const torch::Tensor& exact, std::int64_t terms, const std::string& what,
                            double scale) {
  const torch::Tensor reference = exact.to(torch::kFloat64);
  const double own_error = norm_of(ours.to(torch::kFloat64) - reference);
  const double slack = bound_of(epsilon_of(torch::kFloat32), terms, norm_of(reference) + scale);
  EXPECT_LE(own_error, 1.25 * norm_of(theirs.to(torch::kFloat64) - reference) + slack) << what;
}

/// Runs our implementation (inputs and grad_output of one type → output and gradients, as
/// `autograd` gives them) in fp64, fp32 and bf16 against the formula.
inline void compare_with_autograd(
    const Formula& formula, const Tensors& inputs, const torch::Tensor& grad_output,
    std::int64_t terms, const std::string& what,
    const std::function<Tensors(const Tensors&, const torch::Tensor&)>& ours) {
  for (const torch::ScalarType type : {torch::kFloat64, torch::kFloat32}) {
    const Tensors rounded = to(inputs, type);
    const Tensors result = ours(rounded, grad_output.to(type));
    const Tensors reference = autograd(formula, rounded, grad_output.to(type), torch::kFloat64);
    ASSERT_EQ(result.size(), reference.size());
    for (std::size_t index = 0; index < result.size(); ++index)
      expect_close(result[index], reference[index], terms,
                   what + " " + c10::toString(type) + " result " + std::to_string(index),
                   norm_of(grad_output));
  }
  const Tensors rounded = to(inputs, torch::kBFloat16);
  const torch::Tensor gradient = grad_output.to(torch::kBFloat16);
  const Tensors result = ours(rounded, gradient);
  const Tensors exact = autograd(formula, rounded, gradient, torch::kFloat32);
  const Tensors theirs = autograd(formula, rounded, gradient, torch::kBFloat16);
  for (std::size_t index = 0; index < result.size(); ++index)
    expect_no_worse(result[index], theirs[index], exact[index], terms,
                    what + " bf16 result " + std::to_string(index), norm_of(grad_output));
}

}  // namespace fg::test
