#pragma once

#include <filesystem>
#include <vector>

#include <fg/model_folder/plan.hpp>

namespace fg::model_folder {

/// Re-opens what was written and compares the tensors of these shards, byte by byte, with what the
/// source and the plan say. Error(cannot_save) names the first tensor that differs. Not collective.
void verify_shards(const Plan& plan, const std::vector<std::size_t>& shards, Source& source,
                   const std::filesystem::path& folder);

/// Compares the two folders' tokenizers: every id's token, ordinary text in many scripts, and each
/// new token. Error(cannot_save) names what differs. Not collective.
void verify_tokenizer(const Plan& plan, const std::filesystem::path& source,
                      const std::filesystem::path& folder);

}  // namespace fg::model_folder
