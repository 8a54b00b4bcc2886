#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <ATen/core/Tensor.h>

#include <fg/comm/history.hpp>

namespace fg::comm {

/// "bfloat16 [2048, 4096]".
std::string describe(at::ScalarType type, std::span<const std::int64_t> sizes);

/// "all_reduce_sum of bfloat16 [2048, 4096] (16.00 MiB)", with its tag where it has one.
std::string describe(const Operation& operation);

}  // namespace fg::comm
