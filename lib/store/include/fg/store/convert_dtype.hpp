#pragma once

#include <cstddef>
#include <span>

#include <fg/store/tensor_file.hpp>

namespace fg::store {

/// True between any two of float16, bfloat16 and float32, and from a type to itself.
bool can_convert(Dtype from, Dtype to);

/// Converts the elements of `in`, which need no alignment, to `out`, which has room for exactly as
/// many. Rounds once, to nearest, ties to even; what overflows float16 becomes infinity; subnormals
/// are exact; NaN stays NaN with its sign. `can_convert(from, to)` must hold.
void convert(Dtype from, std::span<const std::byte> in, Dtype to, std::span<std::byte> out);

}  // namespace fg::store
