#include <fg/ops/libraries.hpp>

#include <torch/headeronly/version.h>

namespace fg::ops {

std::string tensor_library() {
  return std::string("LibTorch ") + TORCH_VERSION;
}

}  // namespace fg::ops
