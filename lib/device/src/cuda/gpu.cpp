#include <algorithm>
#include <charconv>
#include <cstdio>
#include <vector>

#include <ATen/Context.h>
#include <c10/core/AllocatorConfig.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>

#include <fg/base/error.hpp>
#include <fg/device/cuda_call.hpp>
#include <fg/device/device.hpp>
#include <fg/device/memory.hpp>

namespace fg::device {
namespace {

std::uint64_t bytes_of(std::int64_t count) {
  return static_cast<std::uint64_t>(count);
}

/// "0,1,3". Error(usage).
std::vector<int> numbers_of(std::string_view words) {
  std::vector<int> numbers;
  for (std::size_t begin = 0; begin <= words.size();) {
    const std::size_t end = std::min(words.find(',', begin), words.size());
    int number = -1;
    const auto [last, error] = std::from_chars(words.data() + begin, words.data() + end, number);
    if (error != std::errc() || last != words.data() + end || number < 0)
      fail(ExitCode::usage, "--devices " + std::string(words) +
                                ": expected auto, cpu, or numbers of GPUs as in 0,1,3");
    numbers.push_back(number);
    begin = end + 1;
  }
  return numbers;
}

/// LibTorch's memory has no statistics before this.
void start() {
  at::globalContext().lazyInitDevice(at::kCUDA);
}

/// Error(usage) naming the count where there is no such GPU.
cudaDeviceProp properties_of(int index) {
  const int count = gpu_count();
  if (index < 0 || index >= count)
    fail(ExitCode::usage, "GPU " + std::to_string(index) + " was asked for, and there " +
                              (count == 1 ? "is 1 (number 0)" : "are " + std::to_string(count)));
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return properties;
}

}  // namespace

bool is_built_for_gpus() {
  return true;
}

int gpu_count() {
  return c10::cuda::device_count();  // none without a driver; does not throw
}

Gpu describe_gpu(int index) {
  const cudaDeviceProp properties = properties_of(index);
  return {properties.name, properties.totalGlobalMem, properties.major, properties.minor,
          properties.multiProcessorCount};
}

std::string gpu_id(int index) {
  const cudaUUID_t uuid = properties_of(index).uuid;
  std::string id = "GPU";
  for (std::size_t byte = 0; byte < sizeof uuid.bytes; ++byte) {
    char text[4];
    const bool begins_group = byte == 0 || byte == 4 || byte == 6 || byte == 8 || byte == 10;
    std::snprintf(text, sizeof text, begins_group ? "-%02x" : "%02x",
                  static_cast<unsigned>(static_cast<unsigned char>(uuid.bytes[byte])));
    id += text;
  }
  return id;
}

std::string visible_gpus() {
  std::string all;
  try {
    for (int index = 0; index < gpu_count(); ++index)
      all += (index == 0 ? "" : ",") + gpu_id(index);
  } catch (const Error&) {  // told where one is chosen
    return {};
  }
  return all;
}

c10::Device choose_device(std::string_view words, int turn) {
  if (words == "cpu") return c10::kCPU;
  std::vector<int> gpus;
  if (words == "auto") {
    for (int index = 0; index < gpu_count(); ++index) gpus.push_back(index);
    if (gpus.empty()) return c10::kCPU;
  } else {
    gpus = numbers_of(words);
  }
  if (turn >= static_cast<int>(gpus.size()))
    fail(ExitCode::usage, std::to_string(turn + 1) + " processes on this machine, but " +
                              std::to_string(gpus.size()) + " GPUs to use (--devices " +
                              std::string(words) + ")");
  const int index = gpus[static_cast<std::size_t>(turn)];
  const Gpu gpu = describe_gpu(index);
  if (!gpu.has_bfloat16())
    fail(ExitCode::usage,
         "GPU " + std::to_string(index) + " (" + gpu.name + ", compute capability " +
             std::to_string(gpu.major) + "." + std::to_string(gpu.minor) +
             ") has no bfloat16, which training here needs; --devices cpu computes "
             "on the CPU");
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

void use(c10::Device device) {
  if (device.is_cpu()) return;
  describe_gpu(device.index());
  c10::CachingAllocator::setAllocatorSettings("expandable_segments:True");
  start();
  c10::cuda::set_device(device.index());
  // Sums of bfloat16 products stay in float32 to their end.
  at::globalContext().setAllowBF16ReductionCuBLAS(false);
}

void synchronise(c10::Device device) {
  if (device.is_cpu()) return;
  count_wait();
  const c10::cuda::CUDAGuard guard(device);
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

std::string cuda_version() {
  return "CUDA " + std::to_string(CUDART_VERSION / 1000) + "." +
         std::to_string(CUDART_VERSION % 1000 / 10);
}

std::string kernel_architectures() {
  return FG_CUDA_ARCHITECTURES;
}

Memory memory_of(c10::Device device) {
  if (device.is_cpu()) return {};
  start();
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
  Memory memory;
  memory.allocated = bytes_of(stats.allocated_bytes[0].current);
  memory.peak_allocated = bytes_of(stats.allocated_bytes[0].peak);
  memory.reserved = bytes_of(stats.reserved_bytes[0].current);
  memory.driver_calls = bytes_of(stats.num_device_alloc);
  const c10::cuda::CUDAGuard guard(device);  // the driver answers for the current device
  std::size_t free_bytes = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&free_bytes, &total), "cudaMemGetInfo");
  memory.driver_used = total - free_bytes;
  memory.total = total;
  return memory;
}

void reset_peak(c10::Device device) {
  if (device.is_cpu()) return;
  start();
  c10::cuda::CUDACachingAllocator::resetPeakStats(device.index());
}

void release_unused(c10::Device device) {
  if (!device.is_cuda()) return;
  count_wait();
  c10::cuda::CUDACachingAllocator::emptyCache();
}

}  // namespace fg::device
