#include "fg/device/device.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include "waits.hpp"

namespace fg::device {

std::atomic<std::uint64_t>& waits() {
  static std::atomic<std::uint64_t> count{0};
  return count;
}

void use_threads(int count) {
  at::set_num_threads(count);
}

void set_deterministic(bool is_wanted) {
  at::globalContext().setDeterministicAlgorithms(is_wanted, /*warn_only=*/false);
  // Filling fresh memory would only hide what nothing here reads.
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

std::uint64_t host_waits() {
  return waits();
}

}  // namespace fg::device
