#pragma once

#include <optional>
#include <string>

#include <fg/schedule/plan.hpp>

namespace fg::schedule {

/// What is wrong with a plan, built or edited by hand, or nothing:
/// - sizes, placement, and actions that the shape has no place for or that stand on a wrong rank;
/// - an action that is missing or there twice;
/// - one that stands before what it needs on its own rank;
/// - weight gradients of a stage not in the order of their microbatches, which would add them up in
///   another order than one process does;
/// - two ranks that do not list the messages between them in the same order;
/// - a rank that holds more activations than `Plan::live_limit`.
std::optional<std::string> find_fault(const Plan& plan);

/// Where the ranks wait for each other for ever, or nothing. Ranks do one action after the other
/// and wait where they must; from one rank to another goes one queue that holds `capacity`
/// messages: with 0 a send ends only with its receive. What stands no chance to run counts too. A
/// plan that `find_fault` would refuse may be given.
std::optional<std::string> find_deadlock(const Plan& plan, int capacity);

}  // namespace fg::schedule
