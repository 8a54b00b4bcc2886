#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fg::text::tok {

using TokenId = std::int32_t;
inline constexpr TokenId no_token = -1;

std::uint64_t hash_bytes(std::string_view bytes);

/// Strings and the ids 0, 1, 2, ... of them, both ways. Texts lie end to end in one block: a
/// vocabulary of 128,000 loads in a few milliseconds.
class Vocabulary {
public:
  /// Takes `text` under `id`; ids come in any order. `finish` must follow before any look-up.
  void add(std::string_view text, TokenId id);
  struct Flaw {
    std::string what;
  };
  /// Orders by id. Says what is wrong if ids have holes, or an id or text comes twice.
  std::unique_ptr<Flaw> finish();

  std::size_t size() const { return size_; }
  /// The id, or no_token.
  TokenId find(std::string_view text) const;
  std::string_view text(TokenId id) const;
  bool contains(TokenId id) const { return id >= 0 && static_cast<std::size_t>(id) < size_; }

private:
  struct Entry {
    std::uint64_t begin = 0;
    std::uint32_t size = 0;
    TokenId id = no_token;
  };
  std::string_view text(const Entry& entry) const {
    return std::string_view(block_).substr(entry.begin, entry.size);
  }

  std::string block_;
  std::vector<Entry> entries_;  // by id once finished
  std::vector<TokenId> table_;  // open addressing, a power of two
  std::size_t size_ = 0;
};

}  // namespace fg::text::tok
