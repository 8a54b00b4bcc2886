#pragma once

#include <string>

namespace fg::comm {

/// Of the NCCL library that is loaded, "2.28.9"; empty in a build without CUDA. Ranks of one job
/// must have the same one.
std::string nccl_version();

}  // namespace fg::comm
