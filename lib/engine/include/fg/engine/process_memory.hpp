#pragma once

#include <cstdint>

#include <c10/core/Device.h>

namespace fg::engine {

/// This process's memory as the kernel counts it (/proc/self/status), in bytes.
struct ProcessMemory {
  std::uint64_t resident = 0;       // VmRSS
  std::uint64_t peak_resident = 0;  // VmHWM: the most there has been
};

/// Zeros where the kernel does not say.
ProcessMemory process_memory();

/// Memory that this process may take: on a GPU what is free there but for a gibibyte, of which the
/// driver's context takes its part; else MemAvailable, or its control group's limit if that is
/// less.
std::uint64_t available_memory(c10::Device device = c10::kCPU);

}  // namespace fg::engine
