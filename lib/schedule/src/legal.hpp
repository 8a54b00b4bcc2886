#pragma once

#include <optional>
#include <string>

#include <fg/schedule/plan.hpp>

namespace fg::schedule {

/// Whether a plan of this shape must hold this action; its stage and microbatch are in range.
bool belongs(const Shape& shape, Op op, int stage);

/// What is wrong with the shape, or with an action by itself: afterwards every action has its
/// index, its prerequisites and its counterpart.
std::optional<std::string> find_illegal(const Plan& plan);

}  // namespace fg::schedule
