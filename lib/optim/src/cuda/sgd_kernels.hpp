#pragma once

#include "kernels.hpp"

namespace fg::optim::kernels {

struct Sgd {
  Target target;
  float lr = 0;
  float weight_decay = 0;
  float momentum = 0;
  bool nesterov = false;
  Element moment_type = Element::float32;
  void* buffer = nullptr;  // contiguous; none without momentum
  Rounding buffer_rounding;
};
cudaError_t sgd(const Sgd& args, cudaStream_t stream);

}  // namespace fg::optim::kernels
