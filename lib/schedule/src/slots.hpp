#pragma once

#include <vector>

#include <fg/schedule/plan.hpp>

namespace fg::schedule {

struct Placed {
  int slot = 0;
  int rank = 0;
  Action action;
};

/// One sequential run of a plan of F, B and W in which each takes one slot and a slot sees what was
/// done before it: sorted by slot, then rank. Ends early where no rank can go on.
std::vector<Placed> run_in_slots(const Plan& compute);

}  // namespace fg::schedule
