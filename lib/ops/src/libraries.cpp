#include <torch/headeronly/version.h>

#include <fg/device/device.hpp>
#include <fg/ops/libraries.hpp>

namespace fg::ops {

std::string tensor_library() {
  const std::string cuda = device::cuda_description();
  return std::string("LibTorch ") + TORCH_VERSION + (cuda.empty() ? "" : " (" + cuda + ")");
}

}  // namespace fg::ops
