#include "fg/device/device.hpp"

#include "waits.hpp"

namespace fg::device {

std::atomic<std::uint64_t>& waits() {
  static std::atomic<std::uint64_t> count{0};
  return count;
}

std::uint64_t host_waits() {
  return waits();
}

}  // namespace fg::device
