#include <ATen/ops/addmm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/sub.h>

#include <fg/ops/linear.hpp>

#include "cuda_twin.hpp"

namespace fg::ops {
namespace {

using namespace twin;

/// ‖tensor − wanted‖ / ‖wanted‖ of tensors on both devices.
double distance(const at::Tensor& tensor, const at::Tensor& wanted) {
  const at::Tensor difference = at::sub(tensor.to(wanted.device(), at::kDouble), wanted);
  return at::linalg_vector_norm(difference).item<double>() /
         at::linalg_vector_norm(wanted).item<double>();
}

TEST(LinearOnGpu, AddsProductsWithoutRoundingThemFirst) {
  FG_REQUIRE_GPU();
  for (const at::ScalarType total_type : types) {
    at::Tensor total = at::full({96, 40}, 7.0, at::TensorOptions(total_type).device(at::kCUDA));
    at::Tensor wanted = at::zeros({96, 40}, at::kDouble);
    for (const std::int64_t tokens : {33, 1, 200}) {
      const at::Tensor gradient = numbers({tokens, 96}, at::kBFloat16, 1);
      const at::Tensor input = numbers({tokens, 40}, at::kBFloat16, 2);
      linear_backward_weight_into(gradient.to(at::kCUDA), input.to(at::kCUDA), tokens == 33, total);
      wanted = at::addmm(wanted, gradient.to(at::kDouble).t(), input.to(at::kDouble));
    }
    // In float32 nothing is rounded to bfloat16 on the way, which alone is some 1e-3.
    EXPECT_LT(distance(total, wanted), total_type == at::kFloat ? 1e-6 : 5e-3);
  }
}

TEST(LinearOnGpu, AddsNothingForNoTokens) {
  FG_REQUIRE_GPU();
  const at::Tensor none = numbers({0, 8}, at::kBFloat16, 1).to(at::kCUDA);
  const at::Tensor threes = at::full({8, 8}, 3.0, at::kDouble);
  at::Tensor total = threes.to(at::kCUDA, at::kFloat);
  linear_backward_weight_into(none, none, false, total);
  EXPECT_EQ(distance(total, threes), 0.0);
  linear_backward_weight_into(none, none, true, total);
  EXPECT_EQ(at::linalg_vector_norm(total).item<double>(), 0.0);
}

}  // namespace
}  // namespace fg::ops
