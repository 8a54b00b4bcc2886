#include "twin.hpp"

#include <limits>

#include <gtest/gtest.h>

#include "trial.hpp"

namespace fg::optim {
namespace {

constexpr std::uint64_t steps = 25;

std::vector<double> doubles(const at::Tensor& tensor) {
  const at::Tensor wide = tensor.to(at::kDouble).contiguous();
  return {wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel()};
}

double largest(const std::vector<double>& x) {
  double most = 0;
  for (const double value : x) most = std::max(most, std::abs(value));
  return most;
}

/// Runs ours and the twin side by side and gives the largest distance of a weight at any step.
double distance(Trial& trial, double bound_a_step) {
  const Extent extent = extent_of(trial.parameter);
  Twin twin(trial.optimizer->options(), doubles(trial.values), extent.rows, extent.columns,
            is_matrix(trial.parameter));
  double most = 0;
  for (std::uint64_t step = 0; step < steps; ++step) {
    trial.step(step);
    twin.step(doubles(trial.gradient(step)));
    const std::vector<double> ours = doubles(trial.values);
    double now = 0;
    for (std::size_t i = 0; i < ours.size(); ++i)
      now = std::max(now, std::abs(ours[i] - twin.weights[i]));
    EXPECT_LE(now, bound_a_step * static_cast<double>(step + 1)) << "step " << step;
    most = std::max(most, now);
  }
  return most;
}

/// A step in float32 rounds the weight once (half a unit of it), and the update by a few units:
/// about ten roundings of a number of at most 3 lr (rms of an update is near 1, its elements a
/// few).
double float_bound(const Trial& trial) {
  constexpr double eps = std::numeric_limits<float>::epsilon();
  const OptimizerOptions& options = trial.optimizer->options();
  const double update = options.lr * (options.type == OptimizerType::sgd ? 30 : 10);
  return eps * (largest(doubles(trial.values)) + 1 + 10 * update);
}

const std::vector<std::vector<std::int64_t>> shapes = {
    {}, {1}, {7}, {1031}, {1, 1}, {1, 9}, {9, 1}, {3, 5}, {37, 129}, {130, 1025}, {2, 3, 5}};

void expect_twin(const OptimizerOptions& options) {
  for (const auto& shape : shapes) {
    Trial trial(options, shape);
    const double bound = float_bound(trial);
    EXPECT_LE(distance(trial, bound), bound * steps) << at::IntArrayRef(shape);
  }
}

TEST(Twin, AdafactorIsTheTextbook) {
  expect_twin(options_of(OptimizerType::adafactor));
}

TEST(Twin, AdafactorClipsItsUpdatesAndScalesByTheParameter) {
  OptimizerOptions options = options_of(OptimizerType::adafactor);
  options.clip_threshold = 0.3;
  options.weight_decay = 0.1;
  options.relative_step = true;
  options.beta2 = 0.7;  // the cap is reached at step 5
  expect_twin(options);
}

TEST(Twin, AdamWIsTheTextbook) {
  expect_twin(options_of(OptimizerType::adamw));
  OptimizerOptions options = options_of(OptimizerType::adamw);
  options.beta1 = 0.8;
  options.beta2 = 0.95;
  options.weight_decay = 0.3;
  options.eps = 1e-3;
  expect_twin(options);
}

TEST(Twin, SmallTensorsOfQuantisedAdamWAreTheTextbook) {
  // Below 4096 elements, or not whole blocks, moments stay in the parameter's type.
  for (const OptimizerType type : {OptimizerType::adamw8bit, OptimizerType::adamw4bit})
    for (const std::vector<std::int64_t>& shape :
         std::vector<std::vector<std::int64_t>>{{33}, {15, 256}, {4097}, {131, 131}}) {
      Trial trial(options_of(type), shape);
      const double bound = float_bound(trial);
      EXPECT_LE(distance(trial, bound), bound * steps);
    }
}

TEST(Twin, SgdIsTheTextbook) {
  OptimizerOptions options = options_of(OptimizerType::sgd);
  expect_twin(options);
  options.momentum = 0.9;
  expect_twin(options);
  options.nesterov = true;
  expect_twin(options);
}

// A bfloat16 weight rounded stochastically lies within one of its units of the true value at each
// step, and the error of T steps is a random walk: its root mean square over n weights is at most
// unit √T / 2 with unit = 2^-7 |w|, up to the spread of the mean square (the test allows 20 %).
TEST(Twin, Bfloat16WeightsWalkAroundTheTextbook) {
  for (const OptimizerType type : every_type()) {
    Trial trial(options_of(type), {64, 128}, at::kBFloat16);
    Twin twin(trial.optimizer->options(), doubles(trial.values), 64, 128, true);
    for (std::uint64_t step = 0; step < steps; ++step) {
      trial.step(step);
      twin.step(doubles(trial.gradient(step)));
    }
    const std::vector<double> ours = doubles(trial.values);
    double squares = 0, sum = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      squares += (ours[i] - twin.weights[i]) * (ours[i] - twin.weights[i]);
      sum += ours[i] - twin.weights[i];
    }
    const auto n = static_cast<double>(ours.size());
    const double unit = 0x1p-7 * 2;  // weights stay below 2 but for a few
    const double walk = unit * std::sqrt(static_cast<double>(steps)) / 2;
    // Quantised moments change the update itself, by a share of it that the parity tests measure.
    const bool quantised = type == OptimizerType::adamw4bit || type == OptimizerType::adamw8bit;
    const double drift = quantised ? 0.2 * trial.optimizer->options().lr * steps : 0;
    EXPECT_LE(std::sqrt(squares / n), 1.2 * walk + drift) << to_string(type);
    EXPECT_LE(std::abs(sum / n), 5 * walk / std::sqrt(n) + drift / 10) << to_string(type);
  }
}

TEST(Twin, EmptyTensorsAreLeftAlone) {
  for (const OptimizerType type : every_type())
    for (const std::vector<std::int64_t>& shape :
         std::vector<std::vector<std::int64_t>>{{0}, {0, 5}, {5, 0}}) {
      Trial trial(options_of(type), shape);
      for (std::uint64_t step = 0; step < 3; ++step) trial.step(step);
      EXPECT_EQ(trial.values.numel(), 0);
    }
}

// Rows without a gradient (tokens that did not occur) have the least statistics there are.
TEST(Twin, AZeroGradientChangesNothingButByDecay) {
  for (const OptimizerType type : every_type()) {
    OptimizerOptions options = options_of(type);
    options.weight_decay = 0;
    Trial trial(options, {64, 128});
    const at::Tensor before = trial.values.clone();
    for (std::uint64_t step = 0; step < 4; ++step) {
      at::Tensor gradient = trial.gradient(step).mul(1e15);
      gradient.slice(0, 10, 20).zero_();
      update(*trial.optimizer, {trial.parameter, 0, trial.values, gradient}, trial.state,
             trial.info(step));
    }
    EXPECT_TRUE(trial.values.slice(0, 10, 20).equal(before.slice(0, 10, 20))) << to_string(type);
    EXPECT_TRUE(trial.values.isfinite().all().item<bool>()) << to_string(type);
  }
}

}  // namespace
}  // namespace fg::optim
