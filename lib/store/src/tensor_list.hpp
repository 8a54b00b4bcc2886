#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <fg/base/error.hpp>
#include <fg/store/tensor_file.hpp>

namespace fg::store {

inline constexpr std::size_t max_dimensions = 8;
inline constexpr std::size_t max_name_bytes = 1024;
inline constexpr std::size_t max_tensors = 100'000;

/// Bytes of a tensor, or nothing where they do not fit 63 bits.
std::optional<std::uint64_t> checked_byte_count(Dtype dtype, std::span<const std::uint64_t> shape);

/// The limits that every format shares (dimensions, name, size) and names that appear twice.
/// Error(code) that begins with `file`.
void check_tensors(std::span<const TensorInfo> tensors, const std::string& file, ExitCode code);

/// A name as messages show it: quoted, shortened, control characters replaced.
std::string shown(std::string_view name);

}  // namespace fg::store
