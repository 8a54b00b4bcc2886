#pragma once

#include <fg/model_folder/options.hpp>
#include <fg/session/session.hpp>

namespace fg::convert {

/// The whole conversion. Collective: every rank plans, the shards are divided, rank 0 writes the
/// rest and commits. The target is whole or absent whatever happens. Throws Error.
void convert(session::Session& session, const model_folder::Options& options);

}  // namespace fg::convert
