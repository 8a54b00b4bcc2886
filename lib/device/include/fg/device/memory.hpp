#pragma once

#include <cstdint>

#include <c10/core/Device.h>

namespace fg::device {

/// Bytes on one GPU. All zero for the CPU.
struct Memory {
  std::uint64_t allocated = 0;       // in tensors
  std::uint64_t peak_allocated = 0;  // the most since reset_peak
  std::uint64_t reserved = 0;        // taken from the driver by LibTorch
  std::uint64_t driver_used = 0;     // of the whole GPU, by all processes, contexts included
  std::uint64_t total = 0;
  /// How often memory was asked of the driver: a step that has met its sizes before asks no more.
  std::uint64_t driver_calls = 0;
};

Memory memory_of(c10::Device device);
void reset_peak(c10::Device device);
/// Gives the driver back what LibTorch keeps without using it. Waits for the GPU.
void release_unused(c10::Device device);

}  // namespace fg::device
