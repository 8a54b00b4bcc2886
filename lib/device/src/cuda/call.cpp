#include <string>

#include <c10/cuda/CUDAStream.h>

#include <fg/base/error.hpp>
#include <fg/device/cuda_call.hpp>

#include "../waits.hpp"

namespace fg::device {

void check(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  fail(ExitCode::rank_lost, std::string(what) + ": CUDA says: " + cudaGetErrorString(code));
}

cudaStream_t stream_of(const at::Tensor& tensor) {
  return c10::cuda::getCurrentCUDAStream(tensor.get_device()).stream();
}

void count_wait() {
  ++waits();
}

}  // namespace fg::device
