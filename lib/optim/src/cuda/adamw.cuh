#pragma once

#include "adamw_kernels.hpp"
#include "eight.cuh"

namespace fg::optim::kernels {

/// One update of eight elements, operation by operation as on the CPU, so that the bits are the
/// same. g is unscaled; m, v and p are replaced.
__device__ inline void adamw_eight(const AdamWFactors& f, float factor, const float (&g)[8],
                                   float (&m)[8], float (&v)[8], float (&p)[8]) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const float slope = g[i] * factor;
    m[i] += f.one_minus_beta1 * (slope - m[i]);
    v[i] += f.one_minus_beta2 * (slope * slope - v[i]);
    const float root = sqrtf(v[i]) * f.root_correction + f.eps;
    p[i] -= f.decay * p[i] + f.step_size * m[i] / root;
  }
}

}  // namespace fg::optim::kernels
