#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fg/arch/token_additions.hpp>

#include "roles.hpp"

namespace fg::arch {

/// An entry that `added_tokens` gets, or that becomes special.
struct AddedToken {
  std::int64_t id = 0;
  std::string content;
  bool special = false;

  friend bool operator==(const AddedToken&, const AddedToken&) = default;
};

/// What changes in a tokenizer's files.
struct TokenizerEdits {
  std::vector<AddedToken> added;                // by id where new
  std::vector<std::string> additional_special;  // to be listed as such
  std::vector<std::pair<Role, std::string>> roles;
  std::optional<std::string> old_eos;  // where the role moved
  std::optional<AddedToken> new_eos;
};

/// tokenizer.json: the added_tokens array, and the template post-processor where it appends the
/// eos.
std::string edit_tokenizer_json(const TokenizerFiles& files, const TokenizerEdits& edits,
                                const Vocabulary& vocabulary);

/// tokenizer_config.json, special_tokens_map.json and added_tokens.json. Besides the edits,
/// tokenizer_config.json gets the spelling that transformers 4.57 and 5.17 both read.
void edit_small_files(TokenizerFiles& files, const TokenizerEdits& edits);

}  // namespace fg::arch
