#include <c10/core/AllocatorConfig.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

#include <fg/base/error.hpp>
#include <fg/device/cuda_call.hpp>
#include <fg/device/device.hpp>
#include <fg/device/memory.hpp>

namespace fg::device {
namespace {

std::uint64_t bytes_of(std::int64_t count) {
  return static_cast<std::uint64_t>(count);
}

}  // namespace

bool is_built_for_gpus() {
  return true;
}

int gpu_count() {
  return c10::cuda::device_count();  // none without a driver; does not throw
}

Gpu describe_gpu(int index) {
  const int count = gpu_count();
  if (index < 0 || index >= count)
    fail(ExitCode::usage, "GPU " + std::to_string(index) + " was asked for, and there " +
                              (count == 1 ? "is 1 (number 0)" : "are " + std::to_string(count)));
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return {properties.name, properties.totalGlobalMem, properties.major, properties.minor,
          properties.multiProcessorCount};
}

void use(c10::Device device) {
  if (device.is_cpu()) return;
  describe_gpu(device.index());
  c10::CachingAllocator::setAllocatorSettings("expandable_segments:True");
  c10::cuda::set_device(device.index());
}

void synchronise(c10::Device device) {
  if (device.is_cpu()) return;
  count_wait();
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

std::string cuda_description() {
  return "CUDA " + std::to_string(CUDART_VERSION / 1000) + "." +
         std::to_string(CUDART_VERSION % 1000 / 10) + ", kernels for " + FG_CUDA_ARCHITECTURES;
}

Memory memory_of(c10::Device device) {
  if (device.is_cpu()) return {};
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
  Memory memory;
  memory.allocated = bytes_of(stats.allocated_bytes[0].current);
  memory.peak_allocated = bytes_of(stats.allocated_bytes[0].peak);
  memory.reserved = bytes_of(stats.reserved_bytes[0].current);
  memory.driver_calls = bytes_of(stats.num_device_alloc);
  std::size_t free_bytes = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&free_bytes, &total), "cudaMemGetInfo");
  memory.driver_used = total - free_bytes;
  memory.total = total;
  return memory;
}

void reset_peak(c10::Device device) {
  if (device.is_cuda()) c10::cuda::CUDACachingAllocator::resetPeakStats(device.index());
}

}  // namespace fg::device
