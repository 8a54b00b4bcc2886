#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <fg/test/gpu.hpp>

// What the tests of kernels share: the twin of each is the same operation on the CPU.
namespace fg::ops::twin {

inline const std::vector<at::ScalarType> types{at::kFloat, at::kBFloat16};

/// Seeded normal numbers on the CPU.
inline at::Tensor numbers(at::IntArrayRef shape, at::ScalarType type, std::uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::TensorOptions(at::kFloat)).to(type);
}

/// How a tensor lies in memory: alone; in wider rows, each still at a multiple of 16 bytes where
/// its width is; in wider rows at odd places.
enum class Layout { whole, strided, odd };
inline const std::vector<Layout> layouts{Layout::whole, Layout::strided, Layout::odd};

inline std::string name_of(Layout layout) {
  if (layout == Layout::whole) return "whole";
  return layout == Layout::strided ? "strided" : "odd";
}

/// A tensor on the GPU amid elements that nothing may write.
class Framed {
public:
  Framed(const at::Tensor& values, Layout layout) {
    const std::int64_t rows = values.size(0);
    const std::int64_t width = rows == 0 ? values.size(-1) : values.numel() / rows;
    left_ = layout == Layout::whole ? 0 : layout == Layout::strided ? 16 : 3;
    right_ = layout == Layout::whole ? 0 : layout == Layout::strided ? 8 : 2;
    memory_ = at::full({rows, left_ + width + right_}, frame, values.options().device(at::kCUDA));
    view_ = memory_.narrow(1, left_, width).view(values.sizes());
    view_.copy_(values);
  }

  at::Tensor& view() { return view_; }

  void expect_frame_intact(const std::string& what) const {
    const at::Tensor left = memory_.narrow(1, 0, left_);
    const at::Tensor right = memory_.narrow(1, memory_.size(1) - right_, right_);
    EXPECT_EQ(left.ne(frame).sum().item<std::int64_t>(), 0) << what << ": wrote before its rows";
    EXPECT_EQ(right.ne(frame).sum().item<std::int64_t>(), 0) << what << ": wrote behind its rows";
  }

private:
  static constexpr double frame = 120.0;
  std::int64_t left_ = 0;
  std::int64_t right_ = 0;
  at::Tensor memory_;
  at::Tensor view_;
};

/// |GPU − CPU| ≤ r · |CPU| + ε · (8 + √terms) · max|CPU| for each element, where r is one unit in
/// the last place of bf16 (2⁻⁷) or 8 of fp32 (2⁻²⁰), ε that of fp32, for what both add in another
/// order: `terms` numbers. Where they cancel, `largest` is the size of one of them.
inline void expect_close(const at::Tensor& gpu, const at::Tensor& cpu, std::int64_t terms,
                         const std::string& what, double largest = 0.0) {
  ASSERT_EQ(gpu.sizes(), cpu.sizes()) << what;
  ASSERT_EQ(gpu.scalar_type(), cpu.scalar_type()) << what;
  if (cpu.numel() == 0) return;
  const at::Tensor ours = gpu.cpu().to(at::kDouble).contiguous();
  const at::Tensor theirs = cpu.to(at::kDouble).contiguous();
  const double relative = cpu.scalar_type() == at::kBFloat16 ? 0x1p-7 : 0x1p-20;
  const double absolute = 0x1p-23 * (8 + std::sqrt(static_cast<double>(terms))) *
                          std::max(largest, theirs.abs().max().item<double>());
  const double* const own = ours.data_ptr<double>();
  const double* const wanted = theirs.data_ptr<double>();
  std::int64_t bad = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;
  for (std::int64_t index = 0; index < ours.numel(); ++index) {
    if (std::abs(own[index] - wanted[index]) <= relative * std::abs(wanted[index]) + absolute)
      continue;
    if (bad++ == 0) first = index;
    last = index;
  }
  EXPECT_EQ(bad, 0) << what << " " << cpu.toString() << " " << cpu.sizes() << ": first at element "
                    << first << ": GPU " << own[first] << ", CPU " << wanted[first]
                    << "; last at element " << last << ": GPU " << own[last] << ", CPU "
                    << wanted[last] << "; beyond " << relative << " relative and " << absolute;
}

/// To the bit.
inline void expect_same(const at::Tensor& one, const at::Tensor& other, const std::string& what) {
  ASSERT_EQ(one.sizes(), other.sizes()) << what;
  const at::Tensor differs = one.cpu().ne(other.cpu()).flatten().nonzero();
  EXPECT_EQ(differs.size(0), 0) << what << ": first at element "
                                << (differs.size(0) > 0 ? differs[0].item<std::int64_t>() : -1);
}

}  // namespace fg::ops::twin
