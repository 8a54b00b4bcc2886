#pragma once

#include <ATen/core/Tensor.h>
#include <cuda_runtime_api.h>

// For sources in src/cuda/ alone: the wrapper around CUDA's C interface.
namespace fg::device {

/// Error(rank_lost) with CUDA's words where `code` is not success. `what` is what was tried:
/// "rms_norm_forward".
void check(cudaError_t code, const char* what);

/// The stream that LibTorch's operations on the tensor's GPU go to; launches belong there.
cudaStream_t stream_of(const at::Tensor& tensor);

/// Adds one to host_waits().
void count_wait();

}  // namespace fg::device
