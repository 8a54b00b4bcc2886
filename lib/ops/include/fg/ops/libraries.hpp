#pragma once

#include <string>

namespace fg::ops {

/// "LibTorch 2.11.0": what this library was built with, for --version.
std::string tensor_library();

}  // namespace fg::ops
