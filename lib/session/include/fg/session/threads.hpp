#pragma once

#include <string>
#include <vector>

#include <fg/session/placement.hpp>
#include <fg/session/session.hpp>

namespace fg::session {

/// The processors that a process may run on, by the kernel's numbers, ascending.
using Cores = std::vector<int>;

/// "0-3,8" ⇄ {0, 1, 2, 3, 8}, as the kernel and Slurm write them. Words that are none are left out.
Cores parse_cores(const std::string& text);
std::string describe_cores(const Cores& cores);

/// What one rank of a node may use before anything is changed.
struct CoreShare {
  Cores own;       // its mask
  Cores launcher;  // the mask of the mpirun or orted that started (and bound) it; empty: none found
};

/// How many threads a rank should compute with, and on which cores.
struct Threads {
  int count = 1;
  Cores cores;       // the mask afterwards
  std::string note;  // a sentence: the numbers and where they come from
};

/// Limits that users and job managers set; 0: none.
struct ThreadLimits {
  int openmp = 0;  // $OMP_NUM_THREADS, which is taken as it is
  int slurm = 0;   // $SLURM_CPUS_PER_TASK
  int quota = 0;   // processors' worth of time that the cgroup gives to the ranks of this node
};

/// The pure part of `share_cores`: `node` has the ranks of one machine by local rank.
Threads plan_threads(const std::vector<CoreShare>& node, int local_rank,
                     const ThreadLimits& limits);

/// Collective. Each core's time is shared equally by the ranks of the node that may run on it: 16
/// cores open to both of 2 ranks are 8 threads each, as are 8 of its own. At least 1.
///
/// mpirun binds each rank to a core (1 or 2 ranks) or a socket; where that is less than the rank's
/// share of the cores that mpirun itself has, the mask is widened to those. So neither a cgroup's
/// cpuset nor Slurm's nor `taskset … mpirun` is exceeded, and what `srun` binds stays as it is.
/// Ranks are not pinned within it.
///
/// Changes the mask of the calling thread and of those it starts from then on, and nothing else:
/// to be called on the main thread before a pool of threads starts (LibTorch's does at the first
/// operation that is large enough). The caller passes `count` on: at::set_num_threads(count).
Threads share_cores(Session& session, const Placement& placement);

}  // namespace fg::session
