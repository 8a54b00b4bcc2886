#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <fg/store/tensor_file.hpp>

namespace fg::arch {

/// The mean of the rows of a matrix whose bytes pass by in row order: fp64 sums in that order,
/// divided once, rounded once to the matrix's own type (nearest, ties to even). The same rows give
/// the same bytes however they were cut into pieces.
class MeanRow {
public:
  /// A floating `dtype`, else Error(bug).
  MeanRow(std::size_t columns, store::Dtype dtype);

  /// Whole rows, little-endian.
  void add(std::span<const std::byte> rows);
  std::uint64_t row_count() const noexcept { return row_count_; }
  /// One row; at least one row was added.
  std::vector<std::byte> finish() const;

private:
  store::Dtype dtype_;
  std::vector<double> sums_;
  std::uint64_t row_count_ = 0;
};

}  // namespace fg::arch
