#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fg/device/profile.hpp>

namespace fg::engine {

/// Seconds of each kind of work, in a fixed order, and the time between the first and the last
/// kernel in which there was none ("idle"). Work that overlaps counts in each of its kinds. `spans`
/// are sorted by their beginning; none of them gives nothing.
std::vector<std::pair<std::string, double>> phases_of(std::span<const device::KernelSpan> spans);

}  // namespace fg::engine
