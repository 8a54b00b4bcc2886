#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include <fg/device/memory.hpp>
#include <fg/engine/process_memory.hpp>

namespace fg::engine {
namespace {

/// "VmHWM:    1234 kB" in bytes; 0 where the file has no such line.
std::uint64_t kibibytes_of(const char* file, const std::string& key) {
  std::ifstream in(file);
  std::string word;
  while (in >> word) {
    std::uint64_t amount = 0;
    if (word == key + ":" && in >> amount) return amount * 1024;
    in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

std::uint64_t number_in(const char* file, std::uint64_t otherwise) {
  std::ifstream in(file);
  std::uint64_t number = 0;
  return in >> number ? number : otherwise;
}

}  // namespace

ProcessMemory process_memory() {
  return {.resident = kibibytes_of("/proc/self/status", "VmRSS"),
          .peak_resident = kibibytes_of("/proc/self/status", "VmHWM")};
}

std::uint64_t available_memory(c10::Device device) {
  if (device.is_cuda()) {
    constexpr std::uint64_t for_the_driver = std::uint64_t{1} << 30;
    const device::Memory memory = device::memory_of(device);
    const std::uint64_t free = memory.total - memory.driver_used + memory.reserved;
    return free - std::min(free, for_the_driver);
  }
  constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t machine = kibibytes_of("/proc/meminfo", "MemAvailable");
  const std::uint64_t limit = number_in("/sys/fs/cgroup/memory.max", no_limit);
  return std::min(machine, limit);
}

}  // namespace fg::engine
