#pragma once

#include "layers.hpp"

namespace fg::config {

/// Checks each layer's keys (what is unknown or no section is a mistake and left out) and lays them
/// over each other: maps deep, all else whole; null removes what is inherited. A nearer level that
/// sets one of two keys that exclude each other removes the other, and one that changes the
/// optimizer's type removes the options of the old type.
Node merge(Layers& layers, Mistakes& mistakes);

}  // namespace fg::config
