#pragma once

#include <fg/arch/token_additions.hpp>

namespace fg::arch {

/// Decides the plan's chat templates: the one given, which replaces the source's wherever it lies,
/// or the source's, out of tokenizer_config.json if need be. Edits `plan.files`.
void plan_chat_templates(const TokenPlanOptions& options, TokenPlan& plan);

/// Whether the source has a template of its own.
bool has_chat_template(const TokenizerFiles& files);

}  // namespace fg::arch
