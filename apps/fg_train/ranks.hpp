#pragma once

#include <string>

#include <fg/engine/run_plan.hpp>
#include <fg/engine/run_settings.hpp>
#include <fg/session/placement.hpp>
#include <fg/session/session.hpp>
#include <fg/session/threads.hpp>

namespace fg::train {

/// Where this process stands in its job, known before anything is read.
struct Place {
  session::Placement placement;
  session::Threads threads;
  int device_turn = 0;                           // for device::choose_device
  std::string interface = "none (one machine)";  // that ranks on other machines are reached by
};

/// Collective. Finds the ranks' machines and shares their cores and devices: this rank's threads
/// are set.
Place find_place(session::Session& session);

/// What of `settings` depends on the ranks, for so many of them (more than there are in a dry run).
/// Not collective.
engine::World world_of(const session::Session& session, const Place& place, int ranks);

/// Collective. Fills in what each device may use and how fast it is, compares versions and
/// configurations (Error(ranks_disagree) naming what differs), demands a GPU for each rank
/// (Error(usage)), and chooses the interface of comm.interface, which NCCL then uses.
void meet(session::Session& session, const std::string& interface_words, Place& place,
          engine::RunSettings& settings);

/// Collective. What the plans of all ranks must have in common.
void require_same_plan(session::Session& session, const engine::RunSettings& settings,
                       const engine::RunPlan& plan);

/// Collective. The table of ranks, in the log of the first.
void show_ranks(session::Session& session, const Place& place, const engine::RunSettings& settings);

}  // namespace fg::train
