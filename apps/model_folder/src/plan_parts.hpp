#pragma once

#include <fg/model_folder/plan.hpp>

namespace fg::model_folder {

/// config.json, generation_config.json, the tokenizer's files, and what goes along as it is. Tokens
/// and tensors have been planned. Error(cannot_load).
void plan_small_files(Plan& plan, const Options& options);

/// Adds the optimizer state of the source: every tensor as it is, but those of embedding and head,
/// which get the rows that their weights get. The weights' shards have been planned.
/// Error(cannot_load) where the source has no state.
void plan_optimizer_state(Plan& plan, const Source& source);

}  // namespace fg::model_folder
