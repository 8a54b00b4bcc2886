#include <fg/base/error.hpp>
#include <fg/optim/parameter.hpp>

namespace fg::optim {

Extent extent_of(const Parameter& parameter) {
  Extent extent{1, 1};
  const std::size_t dimensions = parameter.shape.size();
  for (std::size_t i = 0; i < dimensions; ++i) {
    const std::int64_t size = parameter.shape[i];
    FG_CHECK(size >= 0);
    std::int64_t& side = dimensions > 1 && i + 1 == dimensions ? extent.columns : extent.rows;
    FG_CHECK(!__builtin_mul_overflow(side, size, &side));
  }
  std::int64_t elements = 0;
  FG_CHECK(!__builtin_mul_overflow(extent.rows, extent.columns, &elements));
  return extent;
}

bool is_matrix(const Parameter& parameter) {
  return parameter.shape.size() >= 2;
}

RowRange all_rows(const Parameter& parameter) {
  return {0, extent_of(parameter).rows};
}

}  // namespace fg::optim
