#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <fg/store/slices.hpp>

namespace fg::checkpoint {

/// What one rank has of a logical tensor: rows [first_row, first_row + rows) along its first
/// dimension. A tensor without dimensions has one row. The names are the logical ones (Hugging
/// Face's); optimizer state is named by whoever owns it, for example
/// "model.norm.weight.exp_avg". Names hold no '/'.
struct Slice {
  store::TensorInfo tensor;  // the whole tensor
  std::uint64_t first_row = 0;
  std::uint64_t rows = 0;
  /// Its bytes, row-major. Must stay until `save` returns.
  std::span<const std::byte> bytes;
  /// Instead of `bytes`, for tensors that are not in host memory: writes bytes
  /// [offset, offset + out.size()) of the slice to `out`. Called from `save` on this thread, with
  /// rising offsets, at most `copy_piece` bytes at once.
  std::function<void(std::uint64_t offset, std::span<std::byte> out)> copy;
};

inline constexpr std::size_t copy_piece = std::size_t{16} << 20;

/// A whole tensor as a slice.
Slice whole(store::TensorInfo tensor, std::span<const std::byte> bytes);

}  // namespace fg::checkpoint
