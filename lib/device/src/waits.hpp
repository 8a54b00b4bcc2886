#pragma once

#include <atomic>
#include <cstdint>

namespace fg::device {

/// What host_waits() tells.
std::atomic<std::uint64_t>& waits();

}  // namespace fg::device
