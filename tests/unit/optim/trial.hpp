#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <fg/base/philox.hpp>
#include <fg/optim/optimizer.hpp>

namespace fg::optim {

/// Seeded normal-like numbers in (-3, 3) of mean 0, variance 1/2.
inline at::Tensor numbers(std::vector<std::int64_t> shape, const std::string& name,
                          std::uint64_t step = 0, at::ScalarType dtype = at::kFloat) {
  const RandomStream stream(11, "test", name, step);
  at::Tensor tensor = at::empty(shape, at::kFloat);
  auto* values = tensor.data_ptr<float>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    const PhiloxBlock block = stream.block(static_cast<std::uint64_t>(i));
    float sum = 0;
    for (const std::uint32_t word : block) sum += uniform_unit(word);
    values[i] = (sum - 2.0F) * 1.2247449F;
  }
  return tensor.to(dtype);
}

/// One parameter that lies here whole, stepped with seeded gradients.
struct Trial {
  Trial(const OptimizerOptions& options, std::vector<std::int64_t> shape,
        at::ScalarType dtype = at::kFloat)
      : parameter{"layer.weight", shape, dtype},
        optimizer(make_optimizer(options)),
        values(numbers(shape, "weights", 0, dtype)),
        state(optimizer->state_specs(parameter), parameter, all_rows(parameter)) {}

  at::Tensor gradient(std::uint64_t step) const {
    return numbers(parameter.shape, "gradient", step);
  }

  StepInfo info(std::uint64_t step) const { return {step, 5, optimizer->options().lr, 1, nullptr}; }

  void step(std::uint64_t step) {
    update(*optimizer, {parameter, 0, values, gradient(step)}, state, info(step));
  }

  Parameter parameter;
  std::unique_ptr<Optimizer> optimizer;
  at::Tensor values;
  State state;
};

inline OptimizerOptions options_of(OptimizerType type) {
  OptimizerOptions options;
  options.type = type;
  options.lr = 0.01;
  return options;
}

inline std::vector<OptimizerType> every_type() {
  return {OptimizerType::adafactor, OptimizerType::adamw, OptimizerType::adamw8bit,
          OptimizerType::adamw4bit, OptimizerType::sgd};
}

}  // namespace fg::optim
