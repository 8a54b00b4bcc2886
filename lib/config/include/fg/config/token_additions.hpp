#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <fg/arch/token_additions.hpp>

namespace fg::config {

/// Reads the file of --add-tokens (docs/eos-and-tokens.md has its keys). Error(usage) with every
/// mistake of the file: unknown keys, wrong kinds of value, and what arch::validate finds.
arch::TokenAdditions read_token_additions(const std::filesystem::path& path);
arch::TokenAdditions parse_token_additions(std::string_view yaml, const std::string& name);

}  // namespace fg::config
