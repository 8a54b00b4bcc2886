#include <cmath>

#include <ATen/ops/zeros.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/device/transfer.hpp>
#include <fg/optim/numerics_flag.hpp>

#include "cuda_optim.hpp"
#include "tiles.hpp"

namespace fg::optim {

NumericsFlag::NumericsFlag(at::Device device)
    : value_(at::zeros({1}, at::TensorOptions().dtype(at::kInt).device(device))) {}

void NumericsFlag::raise() {
  value_.fill_(1);
}

void NumericsFlag::lower() {
  value_.zero_();
}

bool NumericsFlag::raised() const {
  if (value_.is_cpu()) return *value_.const_data_ptr<int>() != 0;
  return *device::Readback(value_).values().const_data_ptr<int>() != 0;
}

void check_gradient(const at::Tensor& gradient, NumericsFlag& flag, const at::Tensor& sum) {
  if (gradient.is_cuda()) return cuda::check_gradient(gradient, flag, sum);
  FG_CHECK(sum.is_cpu() && sum.numel() == 1);
  const Matrix matrix = matrix_of(gradient);
  const auto squares = [&](std::int64_t begin, std::int64_t count) {
    float g[tile_elements];
    load(matrix, begin, count, g);
    return sum_of_squares(g, count);
  };
  const auto total = static_cast<float>(sum_over_tiles(gradient.numel(), squares));
  if (!std::isfinite(total) && !fault_planted("optim.nan_reaches_the_weight")) flag.raise();
  *sum.data_ptr<float>() = total;
}

}  // namespace fg::optim
