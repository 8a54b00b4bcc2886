#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.hpp"

namespace fg::text::tok {

/// The `model` of a tokenizer file, read and checked.
struct BpeSettings {
  TokenId unknown = no_token;
  bool fuse_unknown = false;
  bool byte_fallback = false;
  bool ignore_merges = false;
};

/// A merge of two tokens into one, in order of rank.
struct Merge {
  TokenId left, right, merged;
};

/// One token of a piece and how many of the piece's bytes it takes.
struct Symbol {
  TokenId id;
  std::uint32_t length;
};

/// Room to work in, one for each thread, with a cache of words; bound to one Bpe.
class BpeScratch {
public:
  BpeScratch();

private:
  friend class Bpe;
  struct Candidate {
    std::uint64_t order;  // rank, then position
    TokenId merged;
  };
  struct Link {
    std::int32_t previous, next;
  };
  /// A word of at most 22 bytes and 8 tokens, in one cache line.
  struct alignas(64) CachedWord {
    std::uint64_t hash = 0;
    std::uint8_t size = 0;
    std::uint8_t count = 0;
    std::array<char, 22> bytes{};
    std::array<TokenId, 8> ids{};
  };

  std::vector<Symbol> symbols_;
  std::vector<std::uint32_t> ranks_;
  std::vector<TokenId> merged_;
  std::vector<Link> links_;
  std::vector<Candidate> heap_;
  std::string letters_;
  std::vector<CachedWord> cache_;
};

/// Byte pair encoding with ranked merges, equal to the Rust package's BPE model: of all pairs that
/// merge, the one of lowest rank is merged first, the leftmost of equals, until none is left.
class Bpe {
public:
  /// `byte_level`: the pieces are raw bytes, and the vocabulary spells them in GPT-2's 256 letters.
  /// `special`: the ids that text given by users must not become. `metaspace`: the character that
  /// marks word starts in the pieces, or empty.
  Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, BpeSettings settings,
      bool byte_level, const std::vector<TokenId>& special, std::string_view metaspace);

  /// Appends the tokens of one piece. Their lengths add up to the piece's size, except where the
  /// model has no token for a character and no unknown token: then it is left out. With byte level
  /// and such gaps lengths count bytes of GPT-2's letters, as the Rust package does
  /// (`counts_letters`). `guarded`: no special token comes out.
  void encode(std::string_view piece, bool guarded, BpeScratch& scratch,
              std::vector<Symbol>& symbols) const;

  bool counts_letters() const { return counts_letters_; }
  /// True if plain text can become a special token, so that `guarded` makes a difference.
  bool makes_special() const { return makes_special_; }

private:
  struct Slot {
    std::uint64_t pair = empty_pair;
    std::uint32_t rank = 0;
    TokenId merged = no_token;
  };
  static constexpr std::uint64_t empty_pair = ~std::uint64_t{0};
  static constexpr std::uint32_t no_rank = ~std::uint32_t{0};

  void index_merges(const std::vector<Merge>& merges);
  void index_letters();
  void find_hazards(const std::vector<Merge>& merges);
  const Slot* find_merge(TokenId left, TokenId right, bool guarded) const;
  bool is_special(TokenId id) const { return special_[static_cast<std::size_t>(id)] != 0; }
  bool may_use(TokenId id, bool guarded) const {
    return id != no_token && !(guarded && is_special(id));
  }
  std::uint32_t length_of(TokenId id) const { return lengths_[static_cast<std::size_t>(id)]; }

  void encode_cached(std::string_view word, BpeScratch& scratch,
                     std::vector<Symbol>& symbols) const;
  void encode_word(std::string_view word, bool guarded, BpeScratch& scratch) const;
  void spell_bytes(std::string_view word, bool guarded, std::vector<Symbol>& symbols) const;
  void spell_characters(std::string_view word, bool guarded, std::vector<Symbol>& symbols) const;
  TokenId whole_word(std::string_view word, bool guarded, BpeScratch& scratch) const;
  void merge_by_scan(bool guarded, BpeScratch& scratch) const;
  void merge_by_heap(bool guarded, BpeScratch& scratch) const;
  TokenId character_token(std::string_view character) const;

  const Vocabulary& vocabulary_;
  BpeSettings settings_;
  bool byte_level_;
  std::string metaspace_;
  std::vector<std::uint8_t> special_;           // by id
  std::vector<std::uint32_t> lengths_;          // bytes of text that a token stands for, by id
  std::vector<Slot> slots_;                     // open addressing, a power of two
  std::array<TokenId, 256> byte_tokens_{};      // byte level: of each byte's letter; else ASCII
  std::array<TokenId, 256> fallback_tokens_{};  // <0x00> to <0xFF>
  bool cuts_words_ = false;
  bool may_cache_ = true;
  bool counts_letters_ = false;
  bool makes_special_ = false;
};

/// GPT-2's letter for each byte: printable Latin-1 stands for itself, the others for U+0100 and on.
const std::array<char32_t, 256>& byte_letters();

}  // namespace fg::text::tok
