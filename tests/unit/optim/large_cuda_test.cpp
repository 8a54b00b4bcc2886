#include <chrono>
#include <functional>
#include <iostream>

#include <ATen/ops/empty_like.h>

#include <fg/device/device.hpp>
#include <fg/test/gpu.hpp>

#include "gpu_trial.hpp"

namespace fg::optim {
namespace {

constexpr std::int64_t rows = (std::int64_t{1} << 25) + 3;
constexpr std::int64_t columns = 64;  // 2^31 + 192 elements

/// 64 rows from `first` of what a tensor of equal rows becomes on the CPU.
at::Tensor rows_on_cpu(const Optimizer& optimizer, const Parameter& parameter, std::int64_t first,
                       const at::Tensor& gradient_row) {
  const at::Tensor values = at::full({64, columns}, 1.0, at::kBFloat16);
  const at::Tensor gradient = gradient_row.expand({64, columns}).contiguous();
  State state;
  optimizer.run(0, {parameter, first, values, gradient}, state, {2, 5, 0.01, 1, nullptr}, {});
  return values;
}

TEST(CudaSgd, ReachesElementsBeyondTwoToThe31) {
  FG_REQUIRE_GPU();
  if (device::describe_gpu(0).bytes < (std::uint64_t{12} << 30))
    GTEST_SKIP() << "[gpu] needs 12 GiB";
  const auto optimizer = make_optimizer(options_of(OptimizerType::sgd));
  const Parameter parameter{"large", {rows, columns}, at::kBFloat16};
  const at::Tensor row = numbers({1, columns}, "row", 0, at::kBFloat16);
  const at::Tensor values =
      at::empty({rows, columns}, at::TensorOptions().dtype(at::kBFloat16).device(gpu)).fill_(1.0);
  const at::Tensor gradient = at::empty_like(values).copy_(row.to(gpu).expand({rows, columns}));
  State state(optimizer->state_specs(parameter), parameter, all_rows(parameter), gpu);
  NumericsFlag flag(gpu);
  const at::Tensor sum = at::full({1}, 0.0, at::kFloat).to(gpu);
  check_and_update(*optimizer, {parameter, 0, values, gradient}, state, {2, 5, 0.01, 1, &flag},
                   {flag, sum});
  EXPECT_FALSE(flag.raised());
  const double squares = row.to(at::kDouble).square().sum().item<double>();
  EXPECT_NEAR(sum.cpu().item<float>() / (squares * static_cast<double>(rows)), 1, 1e-6);
  for (const std::int64_t first : {std::int64_t{0}, rows / 2, rows - 64})
    EXPECT_TRUE(
        equal_bits(rows_on_cpu(*optimizer, parameter, first, row), values.narrow(0, first, 64)))
        << "rows from " << first;
}

// Rows that are all alike become the same whatever their number is.
TEST(CudaAdafactor, ReachesElementsBeyondTwoToThe31) {
  FG_REQUIRE_GPU();
  if (device::describe_gpu(0).bytes < (std::uint64_t{12} << 30))
    GTEST_SKIP() << "[gpu] needs 12 GiB";
  OptimizerOptions options = options_of(OptimizerType::adafactor);
  options.stochastic_rounding = false;
  const auto optimizer = make_optimizer(options);
  const at::Tensor row = numbers({1, columns}, "row", 0, at::kBFloat16);
  const auto run = [&](std::int64_t height, at::Device device) {
    const Parameter parameter{"large", {height, columns}, at::kBFloat16};
    const at::Tensor values =
        at::empty({height, columns}, at::TensorOptions().dtype(at::kBFloat16).device(device))
            .fill_(1.0);
    const at::Tensor gradient =
        at::empty_like(values).copy_(row.to(device).expand({height, columns}));
    State state(optimizer->state_specs(parameter), parameter, all_rows(parameter), device);
    NumericsFlag flag(device);
    update(*optimizer, {parameter, 0, values, gradient}, state, {2, 5, 0.1, 1, &flag});
    return values;
  };
  const at::Tensor expected = run(64, at::kCPU);
  const at::Tensor values = run(rows, gpu);
  for (const std::int64_t first : {std::int64_t{0}, rows / 2, rows - 64})
    EXPECT_TRUE(near(expected, values.narrow(0, first, 64), 0x1p-7, 0)) << "rows from " << first;
}

double seconds_of(const std::function<void()>& work) {
  for (int i = 0; i < 3; ++i) work();
  device::synchronise(gpu);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) work();
  device::synchronise(gpu);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / 50;
}

// Bytes that an update must move at least, over its time: to be held against the GPU's memory.
TEST(CudaOptimizers, TellTheirSpeed) {
  FG_REQUIRE_GPU();
  struct Case {
    OptimizerType type;
    double bytes;  // a parameter, the check's reading of the gradient included
  };
  const Parameter parameter{"mlp", {11008, 4096}, at::kBFloat16};
  const double elements = 11008.0 * 4096;
  const at::Tensor values = at::full(parameter.shape, 0.5, at::kBFloat16).to(gpu);
  const at::Tensor gradient =
      at::empty_like(values).copy_(numbers({1, 4096}, "row").to(gpu).expand({11008, 4096}));
  NumericsFlag flag(gpu);
  const at::Tensor sum = at::full({1}, 0.0, at::kFloat).to(gpu);
  for (const Case& one : {Case{OptimizerType::adafactor, 10}, Case{OptimizerType::adamw, 24},
                          Case{OptimizerType::adamw8bit, 12.06},
                          Case{OptimizerType::adamw4bit, 10.13}, Case{OptimizerType::sgd, 8}}) {
    const auto optimizer = make_optimizer(options_of(one.type));
    State state(optimizer->state_specs(parameter), parameter, all_rows(parameter), gpu);
    const double seconds = seconds_of([&] {
      check_and_update(*optimizer, {parameter, 0, values, gradient}, state, {1, 5, 1e-6, 1, &flag},
                       {flag, sum});
    });
    std::cout << "[gpu] " << to_string(one.type) << " of 11008 x 4096 bfloat16: " << seconds * 1e6
              << " us, " << elements * one.bytes / seconds * 1e-12 << " TB/s of " << one.bytes
              << " bytes a parameter\n";
    EXPECT_FALSE(flag.raised());
    EXPECT_TRUE(std::isfinite(values.narrow(0, 0, 64).cpu().to(at::kFloat).sum().item<float>()));
  }
}

}  // namespace
}  // namespace fg::optim
