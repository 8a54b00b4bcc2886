#include <algorithm>
#include <cmath>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/optim/clipping.hpp>

#include "cuda_optim.hpp"

namespace fg::optim {

void validate(const ClipOptions& options) {
  if (!std::isfinite(options.norm) || options.norm < 0)
    fail(ExitCode::usage, "optimizer: clip_norm is " + std::to_string(options.norm) +
                              ", but must be 0 (no clipping) or more");
}

double global_norm(std::span<const NamedSum> sums) {
  std::vector<const NamedSum*> in_order;
  for (const NamedSum& sum : sums) in_order.push_back(&sum);
  if (!fault_planted("optim.norm_in_storage_order"))
    std::sort(in_order.begin(), in_order.end(),
              [](const NamedSum* a, const NamedSum* b) { return a->name < b->name; });
  double total = 0;
  for (const NamedSum* sum : in_order) total += static_cast<double>(sum->square_sum);
  return std::sqrt(total);
}

double clip_factor(double norm, double limit) {
  if (limit <= 0 || !std::isfinite(norm)) return 1;
  return std::min(1.0, limit / (norm + 1e-6));
}

void clip_on_device(const at::Tensor& sums, const at::Tensor& order, double clip_norm,
                    const at::Tensor& norm, const at::Tensor& factor, NumericsFlag& flag) {
  FG_CHECK(sums.numel() == order.numel() && sums.is_contiguous() && order.is_contiguous());
  FG_CHECK(norm.numel() == 1 && factor.numel() == 1);
  if (sums.is_cuda()) return cuda::clip(sums, order, clip_norm, norm, factor, flag);
  const float* squares = sums.const_data_ptr<float>();
  const std::int64_t* indices = order.const_data_ptr<std::int64_t>();
  double total = 0;
  for (std::int64_t i = 0; i < sums.numel(); ++i) {
    FG_CHECK(indices[i] >= 0 && indices[i] < sums.numel());
    total += static_cast<double>(squares[indices[i]]);
  }
  const double root = std::sqrt(total);
  if (!std::isfinite(root)) flag.raise();
  *norm.data_ptr<double>() = root;
  *factor.data_ptr<float>() = static_cast<float>(clip_factor(root, clip_norm));
}

Clipper::Clipper(const ClipOptions& options) : options_(options) {
  validate(options);
}

bool Clipper::needs_all_gradients() const noexcept {
  return options_.norm > 0 && options_.mode == ClipMode::exact;
}

double Clipper::factor(std::optional<double> norm) const {
  if (options_.norm <= 0) return 1;
  if (options_.mode == ClipMode::lagged)
    return last_norm_ ? clip_factor(*last_norm_, options_.norm) : 1;
  FG_CHECK(norm.has_value());
  return clip_factor(*norm, options_.norm);
}

void Clipper::finished(double norm) {
  if (std::isfinite(norm)) last_norm_ = norm;
}

}  // namespace fg::optim
