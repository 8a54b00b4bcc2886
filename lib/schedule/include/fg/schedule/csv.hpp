#pragma once

#include <string>
#include <string_view>

#include <fg/schedule/plan.hpp>

namespace fg::schedule {

/// A plan as lines of cells, for spreadsheets and editors (docs/schedules.md):
///
///     fg-plan,1
///     schedule,1f1b
///     microbatches,8
///     rank_of_stage,0,1
///     live_limit,2,1
///     parts,transfers,updates
///     rank,0,0F0,0SA0,0F1,...
///     rank,1,1RA0,1F0,1B0,...
std::string to_csv(const Plan& plan);

/// Reads what `to_csv` writes; CRLF and empty cells at a line's end, as spreadsheets leave them,
/// are taken. Error(data) "<name>:<line>:<column>: ..." for what is no plan at all, beyond the
/// bounds of plan.hpp, or over 64 MiB; whether the plan is right is `find_fault`'s to say.
Plan from_csv(std::string_view text, const std::string& name);

}  // namespace fg::schedule
