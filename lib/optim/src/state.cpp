#include <ATen/ops/zeros.h>

#include <fg/base/error.hpp>
#include <fg/optim/state.hpp>

namespace fg::optim {

std::int64_t StateSpec::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

std::uint64_t StateSpec::bytes() const {
  return static_cast<std::uint64_t>(elements()) * c10::elementSize(dtype);
}

RowRange state_rows(const StateSpec& spec, const Parameter& parameter, RowRange rows) {
  const std::int64_t extent = spec.shape.empty() ? 1 : spec.shape.front();
  if (!spec.cut_with_rows) return {0, extent};
  const std::int64_t whole = extent_of(parameter).rows;
  FG_CHECK(rows.first >= 0 && rows.count >= 0 && rows.first + rows.count <= whole);
  if (rows.count == whole) return {0, extent};
  const auto scaled = [&](std::int64_t row) {
    std::int64_t product = 0;
    FG_CHECK(!__builtin_mul_overflow(row, extent, &product));
    FG_CHECK(product % whole == 0);
    return product / whole;
  };
  const std::int64_t first = scaled(rows.first);
  return {first, scaled(rows.first + rows.count) - first};
}

State::State(const std::vector<StateSpec>& specs, const Parameter& parameter, RowRange rows,
             at::Device device) {
  for (const StateSpec& spec : specs) {
    const RowRange here = state_rows(spec, parameter, rows);
    std::vector<std::int64_t> shape = spec.shape;
    if (!shape.empty()) shape.front() = here.count;
    entries_.push_back(
        {spec, here, at::zeros(shape, at::TensorOptions().dtype(spec.dtype).device(device))});
  }
}

at::Tensor& State::operator[](std::string_view name) {
  for (Entry& entry : entries_)
    if (entry.spec.name == name) return entry.tensor;
  fail(ExitCode::bug, "optimizer state has no tensor '" + std::string(name) + "'");
}

std::uint64_t State::bytes() const {
  std::uint64_t sum = 0;
  for (const Entry& entry : entries_)
    sum += static_cast<std::uint64_t>(entry.tensor.numel()) * c10::elementSize(entry.spec.dtype);
  return sum;
}

}  // namespace fg::optim
