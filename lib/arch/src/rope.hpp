#pragma once

#include <cstdint>

#include "fg/arch/model_config.hpp"
#include "fields.hpp"

namespace fg::arch {

/// Reads rope_theta and rope_scaling, or rope_parameters, or both where they agree.
/// `max_position_embeddings` is the default of the original context length.
Rope parse_rope(const Json& config, const Fields& fields, std::int64_t max_position_embeddings);

}  // namespace fg::arch
