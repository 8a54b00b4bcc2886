#pragma once

#include <cstdint>

#include <fg/config/load.hpp>
#include <fg/engine/run_settings.hpp>

namespace fg::train {

/// A configuration in the engine's words, for so many ranks. Error(usage) listing what is missing
/// (model, data, output) or cannot be done by this build.
engine::RunSettings settings_of(const config::Loaded& loaded, std::int64_t ranks);

}  // namespace fg::train
