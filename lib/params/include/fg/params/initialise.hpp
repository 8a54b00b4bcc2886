#pragma once

#include <cstdint>

#include <fg/params/parameters.hpp>

namespace fg::params {

/// Random weights of a new model: matrices normal with mean 0 and deviation `initializer_range`,
/// norms one, biases zero. Element n of a logical tensor is a function of (seed, its name, n)
/// alone: parts, fusing and threads change nothing, and a 16-bit model's weights are the fp32
/// model's, rounded.
void initialise(Parameters& parameters, std::uint64_t seed, double initializer_range);

}  // namespace fg::params
