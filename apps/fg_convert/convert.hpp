#pragma once

#include <fg/session/session.hpp>

#include "options.hpp"

namespace fg::convert {

/// The whole conversion. Collective: every rank plans, the shards are divided, rank 0 writes the
/// rest and commits. The target is whole or absent whatever happens. Throws Error.
void convert(session::Session& session, const Options& options);

}  // namespace fg::convert
