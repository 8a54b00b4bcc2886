#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <fg/arch/token_additions.hpp>

#include "vocabulary.hpp"

namespace fg::arch {

enum class Role : std::uint8_t { bos, eos, unk, pad };
inline constexpr std::array<Role, 4> all_roles = {Role::bos, Role::eos, Role::unk, Role::pad};

/// "eos_token", the key in the tokenizer's files.
std::string_view key_of(Role role);

/// The token of each role as transformers finds it: tokenizer_config.json, unless it has no
/// added_tokens_decoder and special_tokens_map.json says otherwise; else the default of the
/// tokenizer class. Nothing where there is none.
struct RoleTokens {
  std::array<std::optional<std::string>, 4> tokens;

  std::optional<std::string>& operator[](Role role) {
    return tokens[static_cast<std::size_t>(role)];
  }
  const std::optional<std::string>& operator[](Role role) const {
    return tokens[static_cast<std::size_t>(role)];
  }
};

RoleTokens find_roles(const TokenizerFiles& files, const Vocabulary& vocabulary);

}  // namespace fg::arch
