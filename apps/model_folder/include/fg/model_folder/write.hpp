#pragma once

#include <string>

#include <fg/model_folder/plan.hpp>
#include <fg/session/session.hpp>

namespace fg::model_folder {

/// Carries the plan out, or with a dry run only says it. Collective: the ranks must have made the
/// same plan (Error(ranks_disagree)), the shards are divided, rank 0 writes the rest and commits.
/// The target is whole or absent whatever happens. Throws Error.
void write_folder(session::Session& session, const Plan& plan, const Options& options,
                  Source& source);

}  // namespace fg::model_folder
