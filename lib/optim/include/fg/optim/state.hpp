#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/optim/parameter.hpp>

namespace fg::optim {

/// One named tensor that an optimizer keeps for a whole logical parameter. Its logical name in a
/// checkpoint is "<parameter>.<name>".
struct StateSpec {
  std::string name;
  at::ScalarType dtype = at::kFloat;
  std::vector<std::int64_t> shape;
  /// True: the first dimension is cut where the parameter's rows are cut, in proportion.
  /// False: every rank that holds rows of the parameter holds the same whole tensor.
  bool cut_with_rows = true;

  std::int64_t elements() const;
  std::uint64_t bytes() const;
};

/// Rows [first, first + count) of the first dimension of `spec` belong to those rows of the
/// parameter. Error(bug) where a cut would fall inside a block: see Optimizer::row_unit.
RowRange state_rows(const StateSpec& spec, const Parameter& parameter, RowRange rows);

/// What one optimizer keeps for the rows of one parameter that lie here: tensors in the order of
/// their specs. Checkpoints read and write the tensors in place.
class State {
public:
  struct Entry {
    StateSpec spec;     // of the whole logical tensor
    RowRange rows;      // what of its first dimension lies here
    at::Tensor tensor;  // contiguous
  };

  State() = default;
  /// All zeros, the start of every optimizer here.
  State(const std::vector<StateSpec>& specs, const Parameter& parameter, RowRange rows,
        at::Device device = at::kCPU);

  const std::vector<Entry>& entries() const noexcept { return entries_; }
  at::Tensor& operator[](std::string_view name);
  std::uint64_t bytes() const;

private:
  std::vector<Entry> entries_;
};

}  // namespace fg::optim
