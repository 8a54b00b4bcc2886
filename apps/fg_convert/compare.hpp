#pragma once

#include <string_view>

#include <fg/store/model_weights.hpp>

namespace fg::convert {

/// True if two tensors of one model, which must be there, have the same dtype, shape and bytes.
/// Streams.
bool tensors_are_equal(store::ModelWeights& weights, std::string_view one, std::string_view other);

}  // namespace fg::convert
