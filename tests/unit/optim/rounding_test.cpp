#include <cmath>
#include <limits>

#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <fg/optim/rounding.hpp>

#include "trial.hpp"

namespace fg::optim {
namespace {

const float samples[] = {0.0F,     1.0F,          -1.0F,       1.00390625F, 0.1F,
                         -3.7e-5F, 65537.0F,      1e-38F,      -2.9e-39F,   1e-45F,
                         3.3e38F,  3.3961776e38F, -0.3333333F, 2.5e30F};

TEST(Rounding, NearestAgreesWithLibTorch) {
  const RandomStream words(1, "test", "bits", 0);
  for (std::uint64_t i = 0; i < 100000; ++i) {
    const auto value = std::bit_cast<float>(words.word(i));
    if (std::isnan(value)) continue;
    EXPECT_EQ(round_nearest(value), c10::BFloat16(value).x) << value;
  }
  EXPECT_TRUE(std::isnan(from_bfloat16(round_nearest(std::numeric_limits<float>::quiet_NaN()))));
  // A NaN whose payload lies in the dropped half must not become an infinity.
  EXPECT_TRUE(std::isnan(from_bfloat16(round_nearest(std::bit_cast<float>(0x7F800001U)))));
}

// Over all 65536 random half-words the mean is the value itself, in exact arithmetic.
TEST(Rounding, StochasticHasExactlyTheValueAsItsMean) {
  for (const float value : samples) {
    if (std::abs(value) > 3.38e38F) continue;  // no bfloat16 above it
    double sum = 0;
    for (std::uint32_t random = 0; random < 65536; ++random)
      sum += static_cast<double>(
                 from_bfloat16(round_stochastic(value, static_cast<std::uint16_t>(random)))) /
             65536;
    EXPECT_EQ(sum, static_cast<double>(value));
  }
}

TEST(Rounding, StochasticGivesANeighbourAndStaysFinite) {
  for (const float value : samples)
    for (const std::uint32_t word : {0U, 1U, 32768U, 65535U}) {
      const float rounded =
          from_bfloat16(round_stochastic(value, static_cast<std::uint16_t>(word)));
      EXPECT_TRUE(std::isfinite(rounded));
      EXPECT_LE(std::abs(rounded - value), std::max(std::abs(value) * 0x1p-7F, 0x1p-133F)) << value;
    }
  EXPECT_TRUE(
      std::isnan(from_bfloat16(round_stochastic(std::numeric_limits<float>::quiet_NaN(), 65535))));
  EXPECT_TRUE(std::isinf(from_bfloat16(round_stochastic(INFINITY, 0))));
}

// Weights of 1 that lose 2^-12 a step: rounding to the nearest would never move them (the step of
// bfloat16 below 1 is 2^-8), rounding up always would not either. One weight's path of T steps is a
// sum of steps s with variance at most s² / 4 each, so the mean of n weights has a standard
// deviation of at most s √T / (2 √n); the test allows five.
TEST(Rounding, AnOptimizerMovesBfloat16WeightsByTheTrueMean) {
  constexpr std::int64_t n = 4096;
  constexpr std::uint64_t steps = 64;
  OptimizerOptions options = options_of(OptimizerType::sgd);
  options.weight_decay = 0;
  options.lr = 0x1p-12;
  const Parameter parameter{"w", {n}, at::kBFloat16};
  const auto optimizer = make_optimizer(options);
  at::Tensor values = at::full({n}, 1.0, at::kBFloat16);
  const at::Tensor gradient = at::full({n}, 1.0, at::kFloat);
  State state;
  for (std::uint64_t step = 0; step < steps; ++step)
    update(*optimizer, {parameter, 0, values, gradient}, state, {step, 3, options.lr, 1, nullptr});

  const double mean = values.to(at::kDouble).mean().item<double>();
  const double expected = 1 - static_cast<double>(steps) * 0x1p-12;
  const double bound =
      5 * 0x1p-8 * std::sqrt(static_cast<double>(steps)) / (2 * std::sqrt(static_cast<double>(n)));
  EXPECT_NEAR(mean, expected, bound);

  options.stochastic_rounding = false;
  at::Tensor still = at::full({n}, 1.0, at::kBFloat16);
  update(*make_optimizer(options), {parameter, 0, still, gradient}, state,
         {0, 3, options.lr, 1, nullptr});
  EXPECT_EQ(still.to(at::kDouble).mean().item<double>(), 1.0);
}

}  // namespace
}  // namespace fg::optim
