#include "fg/params/parameters.hpp"

#include <utility>

#include <ATen/ops/empty.h>

#include <fg/base/error.hpp>

namespace fg::params {

at::Tensor logical_view(const at::Tensor& fused, const LogicalTensor& logical) {
  return fused.narrow(0, logical.first_row, logical.shape[0]);
}

Parameters::Parameters(Layout layout, at::ScalarType type, at::Device device)
    : layout_(std::move(layout)), type_(type), device_(device) {
  for (const FusedTensor& fused : layout_.fused) {
    if (fused.shares_value_of) {
      values_.push_back(values_[*fused.shares_value_of]);
      continue;
    }
    values_.push_back(at::empty(fused.shape, at::TensorOptions(type).device(device)));
    const LogicalTensor& last = layout_.logical[fused.logical.back()];
    const std::int64_t used = last.first_row + last.shape[0];
    values_.back().narrow(0, used, fused.shape[0] - used).zero_();
  }
}

at::Tensor Parameters::find(Role role, std::int64_t layer) const {
  const std::optional<std::size_t> index = layout_.find(role, layer);
  return index ? values_[*index] : at::Tensor();
}

at::Tensor Parameters::logical(std::size_t index) const {
  const LogicalTensor& tensor = layout_.logical[index];
  return logical_view(values_[tensor.fused], tensor);
}

std::int64_t Parameters::elements() const {
  std::int64_t total = 0;
  for (const LogicalTensor& tensor : layout_.logical) total += tensor.elements();
  return total;
}

}  // namespace fg::params
