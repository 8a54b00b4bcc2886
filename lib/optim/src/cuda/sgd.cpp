#include "../cuda_optim.hpp"
#include "sgd_kernels.hpp"
#include "target.hpp"

namespace fg::optim::cuda {

void sgd(const Piece& piece, const OptimizerOptions& options, State& state, const StepInfo& info,
         const GradientCheck* check) {
  if (check != nullptr) cuda::check_gradient(piece.gradient, check->flag, check->sum);
  kernels::Sgd args{.target = target_of(piece, options, info, check, /*joined=*/true),
                    .lr = static_cast<float>(info.lr),
                    .weight_decay = static_cast<float>(options.weight_decay),
                    .momentum = static_cast<float>(options.momentum),
                    .nesterov = options.nesterov,
                    .buffer_rounding = moment_rounding(piece, options, info, "momentum_buffer")};
  if (options.momentum > 0) {
    const at::Tensor& buffer = state["momentum_buffer"];
    args.moment_type = element_of(buffer);
    args.buffer = buffer.data_ptr();
  }
  device::check(kernels::sgd(args, device::stream_of(piece.values)), "sgd");
}

}  // namespace fg::optim::cuda
