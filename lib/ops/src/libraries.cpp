#include <torch/headeronly/version.h>

#include <fg/device/device.hpp>
#include <fg/ops/libraries.hpp>

namespace fg::ops {

namespace {

std::string with(const std::string& cuda) {
  return std::string("LibTorch ") + TORCH_VERSION + (cuda.empty() ? "" : " (" + cuda + ")");
}

}  // namespace

std::string tensor_version() {
  return with(device::cuda_version());
}

std::string tensor_library() {
  if (!device::is_built_for_gpus()) return with("");
  return with(device::cuda_version() + ", kernels for " + device::kernel_architectures());
}

}  // namespace fg::ops
