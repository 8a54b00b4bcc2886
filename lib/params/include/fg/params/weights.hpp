#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/arch/model_config.hpp>
#include <fg/params/parameters.hpp>
#include <fg/store/model_weights.hpp>
#include <fg/store/tensor_file.hpp>

namespace fg::params {

at::ScalarType scalar_type_of(store::Dtype dtype);
/// Error(bug) for a type that no weight file holds.
store::Dtype dtype_of(at::ScalarType type);

/// Reads every logical tensor of these parameters, rounding once to their type, nearest ties to
/// even. Reads pieces of at most 8 MiB. The folder must hold exactly the model's tensors; a base
/// model without the "model." prefix and a tied model that stores its head too (equal to its
/// embedding) are accepted. `name` begins every message. Error(cannot_load).
void load(store::ModelWeights& weights, const arch::ModelConfig& config, const std::string& name,
          Parameters& parameters);

/// What `save` writes: the logical tensors in their order, without padding.
std::vector<store::TensorInfo> tensor_infos(const Layout& layout, store::Dtype dtype);

/// Writes those of the writer's tensors that these parameters hold, rounded once to the type that
/// the writer was given; the caller finishes it. Pieces of at most 8 MiB. Error(cannot_save).
void save(const Parameters& parameters, store::TensorFileWriter& writer);

}  // namespace fg::params
