#pragma once

#include <filesystem>

#include <fg/base/json.hpp>
#include <fg/checkpoint/reader.hpp>
#include <fg/engine/run_plan.hpp>

namespace fg::engine {

/// What a checkpoint remembers of its run: hashes of tokenizer and data, the seed, and the whole
/// configuration, for whoever resumes it.
Json identity_of(const RunSettings& settings, const RunPlan& plan);

/// Compares with what the checkpoint remembers. Another tokenizer, other data or another seed would
/// make the rest of the run another run's: Error(usage) naming all that differ. Everything else
/// that differs (learning rate, schedule, cadence) is told as a warning, and the run goes on.
void check_identity(const RunSettings& settings, const RunPlan& plan,
                    const checkpoint::JsonFields& trainer, const std::filesystem::path& checkpoint);

}  // namespace fg::engine
