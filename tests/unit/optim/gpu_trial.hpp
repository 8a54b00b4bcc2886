#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "trial.hpp"

namespace fg::optim {

inline const at::Device gpu{at::kCUDA, 0};

/// How rows lie on the GPU: one after the other, with a gap that keeps them on 16-byte boundaries,
/// or on odd elements.
enum class Lie { close, apart, odd };

inline const char* to_string(Lie lie) {
  return lie == Lie::close ? "close" : lie == Lie::apart ? "apart" : "odd";
}

inline at::Tensor on_gpu(const at::Tensor& host, Lie lie = Lie::close) {
  const at::Tensor whole = host.to(gpu);
  if (host.dim() < 1 || lie == Lie::close) return whole;
  std::vector<std::int64_t> shape = host.sizes().vec();
  const std::int64_t width = shape.back();
  shape.back() += lie == Lie::apart ? 8 : 3;
  const at::Tensor view = at::full(shape, 0.0, whole.options())
                              .narrow(host.dim() - 1, lie == Lie::apart ? 0 : 1, width);
  view.copy_(whole);
  return view;
}

/// The same bits everywhere; else where the first difference is, both numbers, and how many.
inline ::testing::AssertionResult equal_bits(const at::Tensor& cpu, const at::Tensor& on_device) {
  const at::Tensor a = cpu.contiguous(), b = on_device.cpu().contiguous();
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type())
    return ::testing::AssertionFailure() << "shapes or types differ";
  const std::size_t size = c10::elementSize(a.scalar_type());
  const auto* left = static_cast<const char*>(a.const_data_ptr());
  const auto* right = static_cast<const char*>(b.const_data_ptr());
  std::int64_t differing = 0, first = -1;
  for (std::int64_t i = 0; i < a.numel(); ++i)
    if (std::memcmp(left + i * static_cast<std::int64_t>(size),
                    right + i * static_cast<std::int64_t>(size), size) != 0) {
      if (differing++ == 0) first = i;
    }
  if (differing == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << differing << " of " << a.numel() << " differ, first at "
                                       << first << ": CPU " << a.reshape({-1})[first].item<double>()
                                       << ", GPU " << b.reshape({-1})[first].item<double>();
}

/// |a - b| <= relative |a| + absolute everywhere; else the worst place and both numbers.
inline ::testing::AssertionResult near(const at::Tensor& cpu, const at::Tensor& on_device,
                                       double relative, double absolute) {
  const at::Tensor a = cpu.to(at::kDouble).contiguous(),
                   b = on_device.cpu().to(at::kDouble).contiguous();
  if (a.sizes() != b.sizes()) return ::testing::AssertionFailure() << "shapes differ";
  const auto *left = a.const_data_ptr<double>(), *right = b.const_data_ptr<double>();
  double worst = 0;
  std::int64_t place = -1;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    double excess = std::abs(left[i] - right[i]) / (relative * std::abs(left[i]) + absolute);
    if (!(excess <= 1e30)) excess = 1e30;
    if (excess > worst) {
      worst = excess;
      place = i;
    }
  }
  if (worst <= 1) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "at " << place << " of " << a.numel() << ": CPU " << left[place] << ", GPU "
         << right[place] << ", " << worst << " times the tolerance";
}

/// One parameter on the CPU and its twin on the GPU, brought the same gradients.
struct GpuTrial {
  GpuTrial(const OptimizerOptions& options, std::vector<std::int64_t> shape,
           at::ScalarType dtype = at::kFloat, Lie rows = Lie::close)
      : parameter{"layer.weight", shape, dtype},
        optimizer(make_optimizer(options)),
        lie(rows),
        values(numbers(shape, "weights", 0, dtype)),
        gpu_values(on_gpu(values, lie)),
        state(optimizer->state_specs(parameter), parameter, all_rows(parameter)),
        gpu_state(optimizer->state_specs(parameter), parameter, all_rows(parameter), gpu),
        flag(gpu) {}

  StepInfo info(std::uint64_t step, double factor, bool of_gpu) const {
    StepInfo info{step, 5, optimizer->options().lr, of_gpu ? 7.0 : factor, nullptr};
    if (!of_gpu) return info;
    info.flag = &flag;
    info.device_factor = at::full({1}, factor, at::kFloat).to(gpu);
    return info;
  }

  void step(std::uint64_t step, const at::Tensor& gradient, double factor = 1) {
    update(*optimizer, {parameter, 0, values, gradient}, state, info(step, factor, false));
    update(*optimizer, {parameter, 0, gpu_values, on_gpu(gradient, lie)}, gpu_state,
           info(step, factor, true));
  }

  Parameter parameter;
  std::unique_ptr<Optimizer> optimizer;
  Lie lie;
  at::Tensor values, gpu_values;
  State state, gpu_state;
  NumericsFlag flag;
};

}  // namespace fg::optim
