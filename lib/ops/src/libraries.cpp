#include <torch/headeronly/version.h>

#include <fg/ops/libraries.hpp>

namespace fg::ops {

std::string tensor_library() {
  return std::string("LibTorch ") + TORCH_VERSION;
}

}  // namespace fg::ops
