#pragma once

#include "layers.hpp"

namespace fg::config {

/// Puts values in the place of ${train.seq_len} (another key's, its default where it is not set)
/// and
/// ${env:NAME} or ${env:NAME:-otherwise} in all texts of the merged tree; $${ stands for ${. Then
/// makes paths absolute: "~/" is the home folder, and what is relative begins at the folder of the
/// file that it stands in.
void resolve_references(Node& merged, const std::vector<Source>& sources,
                        const Environment& environment, Mistakes& mistakes);

}  // namespace fg::config
