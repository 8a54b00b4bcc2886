#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <fg/optim/numerics_flag.hpp>

namespace fg::optim {

enum class ClipMode { exact, lagged };

struct ClipOptions {
  double norm = 0;  // 0: no clipping
  ClipMode mode = ClipMode::exact;
};

/// Throws Error(usage).
void validate(const ClipOptions& options);

/// Σ g² of one whole logical parameter (check_gradient; added over its rows where it is cut).
struct NamedSum {
  std::string name;
  float square_sum = 0;
};

/// The norm of all gradients: the sums added in double in the order of their names, so that it does
/// not depend on which rank holds what or when its gradient was complete. Not finite where a sum is
/// not.
double global_norm(std::span<const NamedSum> sums);

/// min(1, limit / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_ has it; 1 without a limit.
double clip_factor(double norm, double limit);

/// global_norm and the factor of exact clipping to `clip_norm` (0: none) where the sums lie,
/// without waiting: `sums` float32 [n], of which `order` (int64 [n]) names the indices in the order
/// of the names; `norm` float64 [1], `factor` float32 [1] (StepInfo::device_factor), all on the
/// flag's device. The bits are those of global_norm and clip_factor. Raises the flag where the norm
/// is not finite; the factor is then 1.
void clip_on_device(const at::Tensor& sums, const at::Tensor& order, double clip_norm,
                    const at::Tensor& norm, const at::Tensor& factor, NumericsFlag& flag);

/// The factor of each step's gradients. Exact clipping needs all gradients of a step before its
/// first update. Lagged clipping takes the norm of the step before, so that updates can run inside
/// the backward; the first step of a run is then not clipped.
class Clipper {
public:
  explicit Clipper(const ClipOptions& options);

  const ClipOptions& options() const noexcept { return options_; }
  bool needs_all_gradients() const noexcept;
  /// `norm` is this step's for exact clipping, and ignored for lagged.
  double factor(std::optional<double> norm) const;
  /// The norm of a finished step, before clipping; one that is not finite is not remembered.
  void finished(double norm);

  /// All that a checkpoint needs to keep.
  std::optional<double> last_norm() const noexcept { return last_norm_; }
  void restore(std::optional<double> last_norm) { last_norm_ = last_norm; }

private:
  ClipOptions options_;
  std::optional<double> last_norm_;
};

}  // namespace fg::optim
