#pragma once

#include <string>

#include <fg/params/parameters.hpp>

namespace fg::params {

/// Of all bits of all weights: to tell whether two processes have the same ones. Finds what a
/// fault of memory or a missed update does, not malice. Read once, where they are; on a GPU the
/// host waits for it. The same for the same bits on every device. 32 hexadecimal digits.
std::string bit_sum(const Parameters& parameters);

}  // namespace fg::params
