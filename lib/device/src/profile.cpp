#include "fg/device/profile.hpp"

#include <algorithm>
#include <set>
#include <system_error>

#include <torch/csrc/autograd/profiler_kineto.h>

#include <fg/base/error.hpp>
#include <fg/device/device.hpp>

namespace fg::device {
namespace {

namespace profiler = torch::autograd::profiler;
using torch::profiler::impl::ActivityType;

std::set<ActivityType> activities() {
  std::set<ActivityType> all{ActivityType::CPU};
  if (gpu_count() > 0) all.insert(ActivityType::CUDA);
  return all;
}

}  // namespace

Profile::Profile() {
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
  profiler::prepareProfiler(config, activities());
  profiler::enableProfiler(config, activities(), {at::RecordScope::FUNCTION});
}

Profile::~Profile() {
  if (runs_) profiler::disableProfiler();
}

std::vector<KernelSpan> Profile::finish(const std::filesystem::path& trace) {
  FG_CHECK(runs_);
  runs_ = false;
  const auto result = profiler::disableProfiler();
  std::vector<KernelSpan> spans;
  for (const profiler::KinetoEvent& event : result->events())
    if (event.deviceType() == c10::DeviceType::CUDA)
      spans.push_back({event.name(), static_cast<std::int64_t>(event.startNs()),
                       static_cast<std::int64_t>(event.endNs())});
  std::sort(spans.begin(), spans.end(),
            [](const KernelSpan& a, const KernelSpan& b) { return a.begin_ns < b.begin_ns; });
  if (trace.empty()) return spans;
  std::error_code code;
  std::filesystem::remove(trace, code);
  result->save(trace.string());  // says nothing of a file that it cannot write
  if (std::filesystem::file_size(trace, code) == 0 || code)
    fail(ExitCode::cannot_save, trace.string() + ": the trace could not be written");
  return spans;
}

}  // namespace fg::device
