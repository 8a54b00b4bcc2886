#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace fg::optim {

/// A whole logical parameter of the model, by its Hugging Face name: whatever the storage or the
/// ranks, statistics, groups and random numbers are the same. float32 or bfloat16.
struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  at::ScalarType dtype = at::kFloat;
};

/// A parameter as a matrix: all dimensions but the last are folded into rows. A vector is one
/// column (so that it can be cut by rows, too), a scalar is 1 x 1.
struct Extent {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t elements() const { return rows * columns; }
};

Extent extent_of(const Parameter& parameter);

/// True for two or more dimensions: Adafactor then keeps row and column statistics.
bool is_matrix(const Parameter& parameter);

/// Rows [first, first + count) of a parameter's `Extent`.
struct RowRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

RowRange all_rows(const Parameter& parameter);

/// The rows of one parameter that lie here, and their gradient (float32 or bfloat16, the sum over
/// all microbatches and replicas). Both are views of the rows' shape; rows are contiguous inside,
/// the distance between them is free. `values` is overwritten by an update, `gradient` never.
struct Piece {
  const Parameter& parameter;
  std::int64_t first_row = 0;
  at::Tensor values;
  at::Tensor gradient;
};

}  // namespace fg::optim
