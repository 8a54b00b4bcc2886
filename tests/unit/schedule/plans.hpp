#pragma once

#include <vector>

#include <fg/schedule/build.hpp>
#include <fg/schedule/passes.hpp>

namespace fg::test {

inline const std::vector<schedule::Kind>& all_kinds() {
  static const std::vector<schedule::Kind> kinds = {
      schedule::Kind::gpipe, schedule::Kind::one_forward_one_backward, schedule::Kind::interleaved,
      schedule::Kind::zero_bubble_h1, schedule::Kind::zero_bubble_v};
  return kinds;
}

inline schedule::Plan compute_plan(schedule::Kind kind, int ranks, int microbatches,
                                   int stages = 0) {
  return schedule::build({kind, ranks, microbatches, stages, {}});
}

/// With everything a training step of a tied model under data parallelism has.
inline schedule::Plan full_plan(schedule::Kind kind, int ranks, int microbatches, int stages = 0) {
  using namespace schedule;
  return with_updates(with_tied_exchange(
      with_reductions(with_transfers(compute_plan(kind, ranks, microbatches, stages)))));
}

}  // namespace fg::test
