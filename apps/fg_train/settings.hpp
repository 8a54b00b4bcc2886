#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fg/config/load.hpp>
#include <fg/engine/run_settings.hpp>

namespace fg::train {

/// What a configuration asks for that this version cannot do, by key.
std::vector<std::string> missing_features(const config::Configuration& configuration);

/// A configuration in the engine's words, for so many ranks. Error(usage) listing what is missing
/// (model, data, output) or cannot be done by this build.
engine::RunSettings settings_of(const config::Loaded& loaded, std::int64_t ranks);

}  // namespace fg::train
