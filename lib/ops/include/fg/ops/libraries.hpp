#pragma once

#include <string>

namespace fg::ops {

/// "LibTorch 2.11.0", with "(CUDA 13.0)" in a build for GPUs: what ranks of one job must have
/// alike.
std::string tensor_version();

/// "LibTorch 2.11.0", with "(CUDA 13.0, kernels for 90)" in a build for GPUs: what this library was
/// built with, for --version.
std::string tensor_library();

}  // namespace fg::ops
