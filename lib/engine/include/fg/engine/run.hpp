#pragma once

#include <fg/engine/run_plan.hpp>
#include <fg/engine/run_settings.hpp>
#include <fg/engine/trainer.hpp>
#include <fg/session/session.hpp>

namespace fg::engine {

/// Collective. One training run, from the lock on its folder to its last checkpoint: `latest`, a
/// path or the model's own weights are loaded, what has changed since is told or refused, the loop
/// runs, checkpoints come and go. The caller watches the save signals
/// (session::watch_save_signals). The plan's data must be there, and the plans of all ranks must
/// agree (facts_of).
RunEnd run(session::Session& session, const RunSettings& settings, RunPlan& plan);

}  // namespace fg::engine
