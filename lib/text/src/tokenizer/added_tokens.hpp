#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/section.hpp"
#include "tokenizer/vocabulary.hpp"

namespace fg::text::tok {

struct AddedToken {
  TokenId id = no_token;
  std::string content;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = true;
  bool special = false;
};

/// A stretch of text: plain (token is null), or what an added token takes, blanks that it eats
/// included.
struct Stretch {
  Range range;
  const AddedToken* token = nullptr;
};

/// Finds added tokens in text: leftmost first, of those the longest. All semantics are those of the
/// Rust package's added_vocabulary.rs, for one of its two sets of tokens.
class AddedTokenMatcher {
public:
  struct Entry {
    std::string text;  // what to look for: the content, or its normalized form
    const AddedToken* token;
  };
  AddedTokenMatcher() = default;
  explicit AddedTokenMatcher(std::vector<Entry> entries);

  bool is_empty() const { return entries_.empty(); }

  /// Cuts `text` into stretches that cover it. `is_barred` says of a special token's place in the
  /// text that it must not match there; the search then goes on as if that token did not exist
  /// there.
  using Barred = std::function<bool(Range)>;
  void cut(std::string_view text, const Barred& is_barred, std::vector<Stretch>& stretches) const;

private:
  struct Found {
    const AddedToken* token = nullptr;
    std::size_t end = 0;
  };
  Found longest_at(std::string_view text, std::size_t at, const Barred& is_barred) const;
  std::size_t next_candidate(std::string_view text, std::size_t at) const;

  std::vector<Entry> entries_;  // by text
  std::array<bool, 256> begins_{};
  int only_first_byte_ = -1;
};

}  // namespace fg::text::tok
