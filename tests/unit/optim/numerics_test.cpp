#include <cmath>
#include <limits>

#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <fg/optim/gradient_plan.hpp>
#include <fg/optim/optimizer_set.hpp>

#include "trial.hpp"

namespace fg::optim {
namespace {

float sum_of_squares_checked(const at::Tensor& gradient, NumericsFlag& flag) {
  const at::Tensor sum = at::full({1}, -1.0, at::kFloat);
  check_gradient(gradient, flag, sum);
  return sum.item<float>();
}

TEST(NumericsFlag, IsRaisedByAnyElementThatIsNotFinite) {
  for (const float bad : {INFINITY, -INFINITY, std::numeric_limits<float>::quiet_NaN()})
    for (const std::int64_t place : {0, 1023, 1024, 4999}) {
      at::Tensor gradient = at::full({5000}, 0.5, at::kFloat);
      gradient[place] = bad;
      NumericsFlag flag;
      sum_of_squares_checked(gradient, flag);
      EXPECT_TRUE(flag.raised()) << bad << " at " << place;
      flag.lower();
      EXPECT_FALSE(flag.raised());
    }
}

TEST(NumericsFlag, StaysDownForFiniteGradients) {
  NumericsFlag flag;
  EXPECT_EQ(sum_of_squares_checked(at::full({100, 3}, 2.0, at::kBFloat16), flag), 1200.0F);
  EXPECT_EQ(sum_of_squares_checked(at::full({0, 3}, 2.0), flag), 0.0F);
  sum_of_squares_checked(at::full({10}, 1e18, at::kFloat), flag);
  EXPECT_FALSE(flag.raised());
  // A square beyond float32 is refused too: no optimizer's statistics could hold it.
  sum_of_squares_checked(at::full({1}, 1e20, at::kFloat), flag);
  EXPECT_TRUE(flag.raised());
}

TEST(NumericsFlag, KeepsABadGradientFromWeightsAndState) {
  for (const OptimizerType type : every_type()) {
    Assignments model;
    for (const char* name : {"a", "b"})
      model.of_parameters.push_back({{name, {64, 128}}, "default", options_of(type)});
    const std::vector<OptimizerSet::Held> held = {{"a", {0, 64}}, {"b", {0, 64}}};
    OptimizerSet set(model, held);
    NumericsFlag flag;
    const at::Tensor sum = at::full({1}, 0.0, at::kFloat);
    at::Tensor a = numbers({64, 128}, "a"), b = numbers({64, 128}, "b");
    set.check_and_update("a", a, numbers({64, 128}, "g", 0), {0, 1, 1, 1}, flag, sum);
    const at::Tensor a_before = a.clone(), b_before = b.clone();
    std::vector<at::Tensor> state_before;
    for (const auto& entry : set.at("a").state.entries())
      state_before.push_back(entry.tensor.clone());

    at::Tensor bad = numbers({64, 128}, "g", 1);
    bad[63][127] = std::numeric_limits<float>::quiet_NaN();
    set.check_and_update("a", a, bad, {1, 1, 1, 1}, flag, sum);
    set.check_and_update("b", b, numbers({64, 128}, "g", 1), {1, 1, 1, 1}, flag,
                         sum);  // flag still up

    EXPECT_TRUE(flag.raised());
    EXPECT_TRUE(a.equal(a_before)) << to_string(type);
    EXPECT_TRUE(b.equal(b_before)) << to_string(type);
    for (std::size_t i = 0; i < state_before.size(); ++i)
      EXPECT_TRUE(set.at("a").state.entries()[i].tensor.equal(state_before[i]));

    flag.lower();
    set.check_and_update("b", b, numbers({64, 128}, "g", 2), {2, 1, 1, 1}, flag, sum);
    EXPECT_FALSE(b.equal(b_before));
  }
}

TEST(OptimizerSet, ClippingAndTheScheduleScaleGradientAndRate) {
  OptimizerOptions options = options_of(OptimizerType::sgd);
  options.weight_decay = 0;
  options.lr = 0.5;
  Assignments model;
  model.of_parameters.push_back({{"w", {4}}, "default", options});
  const std::vector<OptimizerSet::Held> held = {{"w", {0, 4}}};
  OptimizerSet set(model, held);
  NumericsFlag flag;
  at::Tensor w = at::full({4}, 1.0, at::kFloat);
  const at::Tensor sum = at::full({1}, 0.0, at::kFloat);
  set.check_and_update("w", w, at::full({4}, 2.0, at::kFloat), {0, 1, 0.5, 0.25}, flag, sum);
  EXPECT_EQ(sum.item<float>(), 16.0F);  // unclipped
  EXPECT_TRUE(w.equal(at::full({4}, 1.0 - 0.25 * 0.5, at::kFloat)));
}

TEST(GradientPlan, GradientsAreKeptWhereSomethingNeedsThemAll) {
  GradientNeeds needs;
  EXPECT_FALSE(gradients_are_kept(needs));
  needs.clip = {1.0, ClipMode::lagged};
  EXPECT_FALSE(gradients_are_kept(needs));
  needs.clip.mode = ClipMode::exact;
  EXPECT_TRUE(gradients_are_kept(needs));
  EXPECT_TRUE(gradients_are_kept({.microbatches = 2, .clip = {}, .nan = {}, .spike = {}}));
  EXPECT_TRUE(
      gradients_are_kept({.microbatches = 1, .clip = {}, .nan = NanPolicy::skip, .spike = {}}));
}

TEST(GradientPlan, TakesFloat32IfItFits) {
  const std::vector<Parameter> model = {{"a", {10, 10}, at::kBFloat16}, {"b", {4}, at::kBFloat16}};
  EXPECT_EQ(gradient_buffer_bytes(model, at::kBFloat16), 208u);
  EXPECT_EQ(gradient_dtype(GradientType::automatic, model, 416), at::kFloat);
  EXPECT_EQ(gradient_dtype(GradientType::automatic, model, 415), at::kBFloat16);
  EXPECT_EQ(gradient_dtype(GradientType::automatic, model, std::nullopt), at::kFloat);
  EXPECT_EQ(gradient_dtype(GradientType::float32, model, 1), at::kFloat);
  const std::vector<Parameter> wide = {{"a", {10, 10}, at::kFloat}};
  EXPECT_EQ(gradient_dtype(GradientType::automatic, wide, 1), at::kFloat);
}

}  // namespace
}  // namespace fg::optim
