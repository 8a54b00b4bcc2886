#include <cmath>
#include <string>
#include <vector>

#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <fg/base/error.hpp>
#include <fg/optim/clipping.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::optim {
namespace {

using test::expect_error;

TEST(Clipping, TheNormIsTheSameInWhateverOrderTheSumsArrive) {
  // Each small sum alone is lost beside the large one, all of them together are not.
  std::vector<NamedSum> forwards = {{"a", 1e20F}};
  for (int i = 0; i < 2000; ++i) forwards.push_back({"b" + std::to_string(1000 + i), 8000.0F});
  std::vector<NamedSum> backwards(forwards.rbegin(), forwards.rend());
  double in_order = 0, reversed = 0;
  for (const NamedSum& sum : forwards) in_order += static_cast<double>(sum.square_sum);
  for (const NamedSum& sum : backwards) reversed += static_cast<double>(sum.square_sum);
  ASSERT_NE(std::sqrt(in_order), std::sqrt(reversed));
  EXPECT_EQ(global_norm(forwards), std::sqrt(in_order));
  EXPECT_EQ(global_norm(backwards), global_norm(forwards));
  EXPECT_EQ(global_norm({}), 0.0);
}

TEST(Clipping, ExactTakesThisStepsNorm) {
  Clipper clipper({2.0, ClipMode::exact});
  EXPECT_TRUE(clipper.needs_all_gradients());
  EXPECT_DOUBLE_EQ(clipper.factor(8.0), 2.0 / (8.0 + 1e-6));
  EXPECT_EQ(clipper.factor(1.0), 1.0);
}

TEST(Clipping, LaggedTakesTheNormOfTheStepBefore) {
  Clipper clipper({2.0, ClipMode::lagged});
  EXPECT_FALSE(clipper.needs_all_gradients());
  EXPECT_EQ(clipper.factor(std::nullopt), 1.0);
  clipper.finished(8.0);
  EXPECT_DOUBLE_EQ(clipper.factor(std::nullopt), 2.0 / (8.0 + 1e-6));
  clipper.finished(INFINITY);  // a bad step is not remembered
  EXPECT_DOUBLE_EQ(clipper.factor(std::nullopt), 2.0 / (8.0 + 1e-6));

  Clipper resumed({2.0, ClipMode::lagged});
  resumed.restore(clipper.last_norm());
  EXPECT_EQ(resumed.factor(std::nullopt), clipper.factor(std::nullopt));
}

TEST(Clipping, IsTheSameFromTensorsInTheOrderOfNames) {
  const std::vector<NamedSum> sums = {{"c", 3.0F}, {"a", 1e20F}, {"b", 8000.0F}};
  at::Tensor squares = at::full({3}, 0.0, at::kFloat), order = at::full({3}, 0, at::kLong);
  for (std::int64_t i = 0; i < 3; ++i) {
    squares.data_ptr<float>()[i] = sums[static_cast<std::size_t>(i)].square_sum;
    order.data_ptr<std::int64_t>()[i] = (i + 1) % 3;
  }
  const at::Tensor norm = at::full({1}, -1.0, at::kDouble),
                   factor = at::full({1}, -1.0, at::kFloat);
  NumericsFlag flag;
  clip_on_device(squares, order, 2.0, norm, factor, flag);
  EXPECT_EQ(norm.item<double>(), global_norm(sums));
  EXPECT_EQ(factor.item<float>(), static_cast<float>(clip_factor(global_norm(sums), 2.0)));
  EXPECT_FALSE(flag.raised());
  squares.data_ptr<float>()[2] = INFINITY;
  clip_on_device(squares, order, 2.0, norm, factor, flag);
  EXPECT_TRUE(flag.raised());
  EXPECT_EQ(factor.item<float>(), 1.0F);
}

TEST(Clipping, WithoutALimitNothingIsClipped) {
  const Clipper clipper({0, ClipMode::exact});
  EXPECT_FALSE(clipper.needs_all_gradients());
  EXPECT_EQ(clipper.factor(1e9), 1.0);
  expect_error(ExitCode::usage, {"clip_norm", "-1"}, [] { validate(ClipOptions{-1, {}}); });
}

}  // namespace
}  // namespace fg::optim
