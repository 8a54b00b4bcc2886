#include "bench_phases.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <string_view>

#include <fg/engine/bench.hpp>

namespace fg::engine {
namespace {

struct Mark {
  std::string_view part;  // of a kernel's name in small letters
  std::string_view phase;
};

// The first match counts: names of attention kernels hold "cutlass". Kernels of our own carry the
// namespace of their library (fg::optim).
constexpr std::array marks{
    Mark{"memcpy", "copy"},     Mark{"memset", "copy"},         Mark{"flash", "attention"},
    Mark{"fmha", "attention"},  Mark{"sdpa", "attention"},      Mark{"attention", "attention"},
    Mark{"cudnn", "attention"}, Mark{"adafactor", "optimizer"}, Mark{"adamw", "optimizer"},
    Mark{"optim", "optimizer"}, Mark{"sgd", "optimizer"},       Mark{"cross_entropy", "loss"},
    Mark{"softmax", "loss"},    Mark{"gemm", "gemm"},           Mark{"gemv", "gemm"},
    Mark{"cutlass", "gemm"},    Mark{"nvjet", "gemm"},          Mark{"splitk", "gemm"},
    Mark{"xmma", "gemm"},
};
constexpr std::string_view other = "elementwise";
constexpr std::array phases{
    std::string_view{"gemm"}, std::string_view{"attention"}, other,
    std::string_view{"loss"}, std::string_view{"optimizer"}, std::string_view{"copy"}};

}  // namespace

std::string_view phase_of_kernel(std::string_view name) {
  std::string small(name);
  std::transform(small.begin(), small.end(), small.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  for (const Mark& mark : marks)
    if (small.find(mark.part) != std::string::npos) return mark.phase;
  return other;
}

std::vector<std::pair<std::string, double>> phases_of(std::span<const device::KernelSpan> spans) {
  std::vector<std::pair<std::string, double>> sums;
  if (spans.empty()) return sums;
  for (const std::string_view phase : phases) sums.emplace_back(phase, 0.0);
  std::int64_t idle = 0;
  std::int64_t busy_until = spans.front().begin_ns;
  for (const device::KernelSpan& span : spans) {
    idle += std::max<std::int64_t>(0, span.begin_ns - busy_until);
    busy_until = std::max(busy_until, span.end_ns);
    const auto place = static_cast<std::size_t>(
        std::find(phases.begin(), phases.end(), phase_of_kernel(span.name)) - phases.begin());
    sums[place].second += 1e-9 * static_cast<double>(span.end_ns - span.begin_ns);
  }
  sums.emplace_back("idle", 1e-9 * static_cast<double>(idle));
  return sums;
}

}  // namespace fg::engine
