#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

namespace fg::comm::kernels {

/// Holds up `stream` as long as a message of so many nanoseconds takes on the GPU's one simulated
/// wire, behind the messages before it, of all streams.
cudaError_t hold_wire(std::int64_t nanoseconds, cudaStream_t stream);

}  // namespace fg::comm::kernels
