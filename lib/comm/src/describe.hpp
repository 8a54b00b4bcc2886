#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/comm/history.hpp>

namespace fg::comm {

/// "bfloat16 [2048, 4096]".
std::string describe(at::ScalarType type, std::span<const std::int64_t> sizes);

/// "all_reduce_sum of bfloat16 [2048, 4096] (16.00 MiB)", with its tag where it has one.
std::string describe(const Operation& operation);

/// "rank 3", "ranks 0, 1".
std::string describe_ranks(const std::vector<int>& ranks);

}  // namespace fg::comm
