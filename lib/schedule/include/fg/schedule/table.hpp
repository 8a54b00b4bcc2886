#pragma once

#include <cstddef>
#include <string>

#include <fg/schedule/plan.hpp>

namespace fg::schedule {

/// F, B and W of a plan as `--plan` shows them: a row a rank, a column a time slot, all of them as
/// long as each other and messages without time; "." is an idle slot. Cut into blocks of rows no
/// wider than `width` characters, 0 for one block. Where the plan locks up, "!" stands before what
/// is never reached. For plans whose every action has its place (`find_fault`'s first point).
std::string table(const Plan& plan, std::size_t width = 0);

}  // namespace fg::schedule
