#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/params/layout.hpp>

namespace fg::params {

/// The rows of `fused` that a logical tensor is: a contiguous view. `fused` has the shape of the
/// logical tensor's fused one (its value, its gradient, …).
at::Tensor logical_view(const at::Tensor& fused, const LogicalTensor& logical);

/// The parameters of a part of a model in memory. Padding rows are zero; all else is what `load` or
/// `initialise` puts there. The tensors are made once and never move, so views stay good.
class Parameters {
public:
  Parameters(Layout layout, at::ScalarType type, at::Device device = at::kCPU);
  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;
  Parameters(Parameters&&) = default;
  Parameters& operator=(Parameters&&) = default;

  const Layout& layout() const noexcept { return layout_; }
  at::ScalarType type() const noexcept { return type_; }
  at::Device device() const noexcept { return device_; }

  const at::Tensor& fused(std::size_t index) const { return values_[index]; }
  /// The fused tensor of a role; an undefined one where there is none (a bias).
  at::Tensor find(Role role, std::int64_t layer = 0) const;
  /// A view of logical tensor `index`.
  at::Tensor logical(std::size_t index) const;

  /// Elements of all logical tensors: the model's size, without padding.
  std::int64_t elements() const;

private:
  Layout layout_;
  at::ScalarType type_;
  at::Device device_;
  std::vector<at::Tensor> values_;
};

}  // namespace fg::params
