#include <cmath>

#include <ATen/ops/zeros.h>

#include <fg/base/failpoint.hpp>
#include <fg/optim/numerics_flag.hpp>

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
  return value_.item<int>() != 0;
}

float check_gradient(const at::Tensor& gradient, NumericsFlag& flag) {
  const Matrix matrix = matrix_of(gradient);
  const auto squares = [&](std::int64_t begin, std::int64_t count) {
    float g[tile_elements];
    load(matrix, begin, count, g);
    return sum_of_squares(g, count);
  };
  const auto sum = static_cast<float>(sum_over_tiles(gradient.numel(), squares));
  if (!std::isfinite(sum) && !fault_planted("optim.nan_reaches_the_weight")) flag.raise();
  return sum;
}

}  // namespace fg::optim
