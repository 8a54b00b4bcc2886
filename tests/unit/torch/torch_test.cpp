#include <ATen/core/Tensor.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace {

TEST(LibTorch, LinksFromTheWheelAndMultipliesMatrices) {
  const at::Tensor a = at::arange(6, at::kFloat).reshape({2, 3});
  const at::Tensor product = at::addmm(at::zeros({2, 2}), a, a.t());

  EXPECT_EQ(product[0][0].item<float>(), 5.0f);
  EXPECT_EQ(product[1][0].item<float>(), 14.0f);
  EXPECT_EQ(product[1][1].item<float>(), 50.0f);
}

TEST(LibTorch, ThrowsAcrossTheLibraryBoundary) {
  EXPECT_THROW(at::zeros({2, 3}).matmul(at::zeros({2, 3})), c10::Error);
}

}  // namespace
