#pragma once

#include <span>
#include <string>
#include <vector>

#include <fg/optim/options.hpp>
#include <fg/optim/parameter.hpp>

namespace fg::optim {

/// One entry of `optimizer_groups`: the parameters in whose names `regex` is found and that no
/// earlier group took get `overrides` on top of the optimizer's settings. `type` among them changes
/// the optimizer; settings that only the old type has are then dropped.
struct Group {
  std::string name;
  std::string regex;
  Settings overrides;
  bool removed = false;  // null in the configuration

  bool operator==(const Group&) const = default;
};

/// Groups of a nearer level laid over inherited ones. An inherited group keeps its place; its regex
/// and the overrides named again change; null removes it. New groups follow, in order. Throws
/// Error(usage) where null names no inherited group.
std::vector<Group> inherit_groups(std::vector<Group> inherited, std::span<const Group> nearer);

/// What became of one parameter.
struct Assignment {
  Parameter parameter;
  std::string group;  // "default" where no regex was found
  OptimizerOptions options;
};

struct Assignments {
  std::vector<Assignment> of_parameters;  // in the order of the model
  /// Groups whose regex is found in names, all of which earlier groups took.
  std::vector<std::string> shadowed;
};

/// Assigns every logical parameter of the whole model (not of this rank's part of it). Throws
/// Error(usage) listing every mistake: an option that is unknown or wrong, a regex that does not
/// compile, one that is found in no name (naming the nearest).
Assignments assign_groups(const Settings& optimizer, std::span<const Group> groups,
                          std::span<const Parameter> model);

/// Bytes of optimizer state for a whole parameter, before anything is allocated.
std::uint64_t state_bytes(const Assignment& assignment);

/// --debug-optimizer-groups: a line a parameter (name, shape, group, optimizer, lr, decay, state,
/// bytes), a line a group with its sums, and what was shadowed.
std::string groups_table(const Assignments& assignments);

}  // namespace fg::optim
