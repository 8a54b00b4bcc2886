#pragma once

#include <limits>

#include "adafactor_kernels.hpp"
#include "eight.cuh"
#include "sums.cuh"

namespace fg::optim::kernels {

__device__ inline double beta2_at(const AdafactorRule& rule, std::int64_t t) {
  return fmin(1 - pow(static_cast<double>(t), rule.decay_rate), rule.beta2);
}

__device__ inline float blend(float old, double fresh, double beta2) {
  return static_cast<float>(beta2 * static_cast<double>(old) + (1 - beta2) * fresh);
}

/// sqrt(total / statistic), kept finite so that a gradient of 0 stays an update of 0.
__device__ inline float inverse_root(double total, float statistic) {
  constexpr double largest = std::numeric_limits<float>::max();
  return static_cast<float>(fmin(largest, sqrt(total / static_cast<double>(statistic))));
}

struct StepSize {
  float update;
  float decay;
};

__device__ inline StepSize step_size(const AdafactorRule& rule, double weight_sum,
                                     double update_sum) {
  const double rms = sqrt(update_sum / rule.whole);
  double size = rule.lr / fmax(1.0, rms / rule.clip_threshold);
  if (rule.relative_step) size *= fmax(rule.eps_scale, sqrt(weight_sum / rule.whole));
  return {static_cast<float>(size), static_cast<float>(rule.lr * rule.weight_decay)};
}

}  // namespace fg::optim::kernels
