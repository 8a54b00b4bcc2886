#pragma once

#include <string_view>

#include <fg/model_folder/source.hpp>

namespace fg::model_folder {

/// True if two weights of one model, which must be there, have the same dtype, shape and bytes.
/// Streams.
bool tensors_are_equal(Source& source, std::string_view one, std::string_view other);

}  // namespace fg::model_folder
