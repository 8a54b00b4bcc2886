#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fg/schedule/plan.hpp>

namespace fg::schedule {

enum class Kind {
  gpipe,
  one_forward_one_backward,  // 1F1B (PipeDream-flush)
  interleaved,               // interleaved 1F1B (Megatron-LM, arXiv 2104.04473)
  zero_bubble_h1,            // ZB-H1 (arXiv 2401.10241)
  zero_bubble_v,             // ZBV: two stages a rank, in a V (arXiv 2401.10241, 2405.15362)
};

/// "gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zbv".
std::string_view to_string(Kind kind);
std::vector<std::string> kind_names();

/// A schedule as users write it: the names above or PyTorch's classes ("Schedule1F1B",
/// "ScheduleZBVZeroBubble"), upper or lower case, "-" for "_". Error(usage) names what there is:
/// the nearest of what is not known, the closest relative of PyTorch's classes that fg lacks.
Kind parse_kind(std::string_view name);

struct Request {
  Kind kind = Kind::one_forward_one_backward;
  int ranks = 1;
  int microbatches = 1;
  /// 0: one a rank; ZBV two, interleaved `2 x ranks`.
  int stages = 0;
  /// 1F1B and ZB-H1: so many microbatches more on their way between rank r and r + 1, which hides
  /// the time that messages take on a slow wire; all ranks up to r hold their activations. Empty:
  /// none.
  std::vector<int> extra_warmup;
};

/// `extra` at each boundary between nodes, 0 at those within one.
std::vector<int> extra_on_wires(const std::vector<int>& node_of_rank, int extra);

/// F, B and W of every rank, nothing else; the passes add the rest. A pure function: the same on
/// every rank. Any number of microbatches; Error(usage) with both numbers where the schedule does
/// not allow so many stages on so many ranks or more warm-up, or the plan would be too big.
Plan build(const Request& request);

/// What `build` promises of a rank: the most activations (stage and microbatch) it holds at once.
int live_limit(const Request& request, int rank);

}  // namespace fg::schedule
