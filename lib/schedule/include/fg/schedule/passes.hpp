#pragma once

#include <fg/schedule/plan.hpp>

namespace fg::schedule {

// Each pass takes a plan without fault and deadlock and gives one. Order: transfers, reductions,
// tied exchange, updates; a pass that is given a plan out of this order throws Error(bug).

/// Adds sends and receives wherever neighbouring stages lie on different ranks. A send stands
/// behind what makes its tensor, and the sender places the receive in its peer's program: each
/// program is a part of one valid sequential run, so they cannot lock up, however few messages a
/// channel holds.
Plan with_transfers(const Plan& compute);

/// Adds R behind the last W of each stage, for data-parallel replicas.
Plan with_reductions(const Plan& plan);

/// The embedding is also the head. Where they lie on different ranks both get an X at their end;
/// on one rank they share a gradient, and only its update has to wait for both.
Plan with_tied_exchange(const Plan& plan);

enum class UpdateTime {
  at_once,  // behind a stage's last W; at the end where gradients are reduced, whose R it waits for
  at_end,   // behind all else, for a clipping that needs the whole gradient's norm
};

/// Adds one U a stage and, where the embedding is tied, one UT on each rank that holds it.
Plan with_updates(const Plan& plan, UpdateTime time = UpdateTime::at_once);

/// F, B and W alone, everything else taken out again.
Plan compute_only(const Plan& plan);

/// The forwards of a rank's program and their messages alone, for evaluation: a part of a right
/// plan, so it cannot lock up either.
Program forward_part(const Program& program);

}  // namespace fg::schedule
