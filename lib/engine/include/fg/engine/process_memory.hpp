#pragma once

#include <cstdint>

namespace fg::engine {

/// This process's memory as the kernel counts it (/proc/self/status), in bytes.
struct ProcessMemory {
  std::uint64_t resident = 0;       // VmRSS
  std::uint64_t peak_resident = 0;  // VmHWM: the most there has been
};

/// Zeros where the kernel does not say.
ProcessMemory process_memory();

/// Physical memory that this process may take without swapping: MemAvailable, or its control
/// group's limit if that is less.
std::uint64_t available_memory();

}  // namespace fg::engine
