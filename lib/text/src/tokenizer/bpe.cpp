#include "tokenizer/bpe.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include <fg/base/failpoint.hpp>
#include <fg/base/utf8.hpp>

#include "tokenizer/utf8_scan.hpp"

namespace fg::text::tok {
namespace {

constexpr std::size_t cache_slots = 16384;  // 1 MiB a thread
constexpr std::size_t max_scanned_symbols = 48;

std::uint64_t pair_of(TokenId left, TokenId right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

std::size_t slot_of(std::uint64_t pair, std::size_t slots) {
  return static_cast<std::size_t>((pair * 0x9E3779B97F4A7C15) >> (64 - std::countr_zero(slots)));
}

std::string fallback_name(unsigned byte) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  return std::string("<0x") + digits[byte >> 4] + digits[byte & 15] + ">";
}

}  // namespace

const std::array<char32_t, 256>& byte_letters() {
  static const std::array<char32_t, 256> letters = [] {
    std::array<char32_t, 256> made{};
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool is_printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      made[byte] = is_printable ? byte : next++;
    }
    return made;
  }();
  return letters;
}

BpeScratch::BpeScratch() : cache_(cache_slots) {}

Bpe::Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, BpeSettings settings,
         bool byte_level, const std::vector<TokenId>& special, std::string_view metaspace)
    : vocabulary_(vocabulary),
      settings_(settings),
      byte_level_(byte_level),
      metaspace_(metaspace),
      special_(vocabulary.size(), 0) {
  for (const TokenId id : special)
    if (vocabulary.contains(id)) special_[static_cast<std::size_t>(id)] = 1;
  index_merges(merges);
  index_letters();
  find_hazards(merges);
}

void Bpe::index_merges(const std::vector<Merge>& merges) {
  slots_.assign(std::bit_ceil(merges.size() + merges.size() / 2 + 2), Slot{});
  const bool reversed = fault_planted("text.merge_order");
  for (std::uint32_t rank = 0; rank < merges.size(); ++rank) {
    const std::uint64_t pair = pair_of(merges[rank].left, merges[rank].right);
    std::size_t slot = slot_of(pair, slots_.size());
    while (slots_[slot].pair != empty_pair && slots_[slot].pair != pair)
      slot = (slot + 1) & (slots_.size() - 1);
    // Of a pair that comes twice the later rank counts, as in the Rust package.
    const auto given = static_cast<std::uint32_t>(merges.size()) - rank;
    slots_[slot] = {pair, reversed ? given : rank, merges[rank].merged};
  }
}

void Bpe::index_letters() {
  byte_tokens_.fill(no_token);
  fallback_tokens_.fill(no_token);
  bool all_known = true;
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string letter;
    append_utf8(letter, byte_level_ ? byte_letters()[byte] : byte);
    if (byte_level_ || byte < 0x80) byte_tokens_[byte] = vocabulary_.find(letter);
    all_known = all_known && byte_tokens_[byte] != no_token;
    if (settings_.byte_fallback) fallback_tokens_[byte] = vocabulary_.find(fallback_name(byte));
  }
  counts_letters_ = byte_level_ && !all_known && settings_.unknown == no_token;
  lengths_.resize(vocabulary_.size());
  for (std::size_t id = 0; id < lengths_.size(); ++id) {
    const std::string_view text = vocabulary_.text(static_cast<TokenId>(id));
    const auto letters = std::count_if(text.begin(), text.end(),
                                       [](char byte) { return !is_utf8_continuation(byte); });
    lengths_[id] = static_cast<std::uint32_t>(
        byte_level_ && !counts_letters_ ? static_cast<std::size_t>(letters) : text.size());
  }
  for (const TokenId id : fallback_tokens_)
    if (id != no_token) lengths_[static_cast<std::size_t>(id)] = 1;
}

/// Finds out which short cuts are safe. Words may be taken one by one where no merge can reach
/// across from another character to a word start; then pairs in two words never compete, and
/// merging each word by rank and position gives what merging all of them together gives.
void Bpe::find_hazards(const std::vector<Merge>& merges) {
  std::vector<std::uint8_t> is_odd(vocabulary_.size(), 0);  // its text is not what it stands for
  if (settings_.unknown != no_token) is_odd[static_cast<std::size_t>(settings_.unknown)] = 1;
  for (const TokenId id : fallback_tokens_)
    if (id != no_token) is_odd[static_cast<std::size_t>(id)] = 1;

  cuts_words_ = !metaspace_.empty() && vocabulary_.find(metaspace_) != no_token;
  may_cache_ = !counts_letters_;
  for (const Merge& merge : merges) {
    const auto odd = [&](TokenId id) { return is_odd[static_cast<std::size_t>(id)] != 0; };
    if (odd(merge.merged)) may_cache_ = false;
    if (is_special(merge.merged)) makes_special_ = true;
    if (cuts_words_ && (odd(merge.left) || odd(merge.right) ||
                        (!vocabulary_.text(merge.left).ends_with(metaspace_) &&
                         vocabulary_.text(merge.right).starts_with(metaspace_))))
      cuts_words_ = false;
  }
  for (std::size_t id = 0; id < special_.size(); ++id) {
    if (special_[id] == 0) continue;
    const std::string_view text = vocabulary_.text(static_cast<TokenId>(id));
    const auto first = decode_utf8(text);
    if (settings_.ignore_merges || (first && first->length == text.size())) makes_special_ = true;
  }
}

const Bpe::Slot* Bpe::find_merge(TokenId left, TokenId right, bool guarded) const {
  const std::uint64_t pair = pair_of(left, right);
  std::size_t slot = slot_of(pair, slots_.size());
  for (; slots_[slot].pair != empty_pair; slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot].pair != pair) continue;
    return guarded && is_special(slots_[slot].merged) ? nullptr : &slots_[slot];
  }
  return nullptr;
}

void Bpe::encode(std::string_view piece, bool guarded, BpeScratch& scratch,
                 std::vector<Symbol>& symbols) const {
  if (piece.empty()) return;
  if (guarded || !may_cache_) {
    encode_word(piece, guarded, scratch);
    symbols.insert(symbols.end(), scratch.symbols_.begin(), scratch.symbols_.end());
    return;
  }
  if (!cuts_words_) return encode_cached(piece, scratch, symbols);
  if (settings_.ignore_merges) {
    const TokenId whole = whole_word(piece, false, scratch);
    if (whole != no_token)
      return symbols.push_back({whole, static_cast<std::uint32_t>(piece.size())});
  }
  for (std::size_t begin = 0; begin < piece.size();) {
    std::size_t end = begin;
    while (piece.compare(end, metaspace_.size(), metaspace_) == 0) end += metaspace_.size();
    end = std::min(piece.find(metaspace_, end), piece.size());
    encode_cached(piece.substr(begin, end - begin), scratch, symbols);
    begin = end;
  }
}

void Bpe::encode_cached(std::string_view word, BpeScratch& scratch,
                        std::vector<Symbol>& symbols) const {
  BpeScratch::CachedWord* cached = nullptr;
  std::uint64_t hash = 0;
  if (word.size() <= sizeof(cached->bytes)) {
    hash = hash_bytes(word);
    cached = &scratch.cache_[hash % cache_slots];
    if (cached->hash == hash && cached->size == word.size() &&
        std::memcmp(cached->bytes.data(), word.data(), word.size()) == 0) {
      if (cached->count == 1)
        return symbols.push_back({cached->ids[0], static_cast<std::uint32_t>(word.size())});
      for (std::uint8_t i = 0; i < cached->count; ++i)
        symbols.push_back({cached->ids[i], length_of(cached->ids[i])});
      return;
    }
  }
  encode_word(word, false, scratch);
  const std::vector<Symbol>& found = scratch.symbols_;
  symbols.insert(symbols.end(), found.begin(), found.end());
  if (cached == nullptr || found.empty() || found.size() > cached->ids.size()) return;
  std::size_t total = 0;
  for (const Symbol& symbol : found) {
    if (symbol.id == settings_.unknown) return;
    total += found.size() == 1 ? symbol.length : length_of(symbol.id);
  }
  if (total != word.size()) return;
  cached->hash = hash;
  cached->size = static_cast<std::uint8_t>(word.size());
  cached->count = static_cast<std::uint8_t>(found.size());
  std::memcpy(cached->bytes.data(), word.data(), word.size());
  for (std::size_t i = 0; i < found.size(); ++i) cached->ids[i] = found[i].id;
}

/// Leaves the word's tokens in scratch.symbols_.
void Bpe::encode_word(std::string_view word, bool guarded, BpeScratch& scratch) const {
  std::vector<Symbol>& symbols = scratch.symbols_;
  symbols.clear();
  // Where words are cut, `encode` has asked for the whole piece already.
  if (settings_.ignore_merges && (guarded || !may_cache_ || !cuts_words_)) {
    const TokenId whole = whole_word(word, guarded, scratch);
    if (whole != no_token) {
      const auto size = static_cast<std::uint32_t>(word.size());
      symbols.push_back({whole, counts_letters_ ? length_of(whole) : size});
      return;
    }
  }
  if (byte_level_)
    spell_bytes(word, guarded, symbols);
  else
    spell_characters(word, guarded, symbols);
  if (symbols.size() <= max_scanned_symbols)
    merge_by_scan(guarded, scratch);
  else
    merge_by_heap(guarded, scratch);
}

TokenId Bpe::whole_word(std::string_view word, bool guarded, BpeScratch& scratch) const {
  std::string_view key = word;
  if (byte_level_) {
    scratch.letters_.clear();
    for (const char byte : word)
      append_utf8(scratch.letters_, byte_letters()[static_cast<unsigned char>(byte)]);
    key = scratch.letters_;
  }
  const TokenId id = vocabulary_.find(key);
  return may_use(id, guarded) ? id : no_token;
}

void Bpe::spell_bytes(std::string_view word, bool guarded, std::vector<Symbol>& symbols) const {
  Symbol unknown{no_token, 0};
  const auto flush = [&] {
    if (unknown.id != no_token) symbols.push_back(unknown);
    unknown = {no_token, 0};
  };
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (may_use(byte_tokens_[byte], guarded)) {
      flush();
      const std::uint32_t length = counts_letters_ && byte_letters()[byte] >= 0x80 ? 2 : 1;
      symbols.push_back({byte_tokens_[byte], length});
    } else if (settings_.unknown != no_token) {
      if (!settings_.fuse_unknown) flush();
      unknown = {settings_.unknown, unknown.length + 1};
    }
  }
  flush();
}

TokenId Bpe::character_token(std::string_view character) const {
  if (character.size() == 1) return byte_tokens_[static_cast<unsigned char>(character[0])];
  return vocabulary_.find(character);
}

void Bpe::spell_characters(std::string_view word, bool guarded,
                           std::vector<Symbol>& symbols) const {
  Symbol unknown{no_token, 0};
  const auto flush = [&] {
    if (unknown.id != no_token) symbols.push_back(unknown);
    unknown = {no_token, 0};
  };
  std::size_t length = 0;
  for (std::size_t at = 0; at < word.size(); at += length) {
    scan_utf8(word, at, length);
    const std::string_view character = word.substr(at, length);
    const TokenId id = character_token(character);
    if (may_use(id, guarded)) {
      flush();
      symbols.push_back({id, static_cast<std::uint32_t>(length)});
      continue;
    }
    const auto fallback = [&](char c) { return fallback_tokens_[static_cast<unsigned char>(c)]; };
    if (std::all_of(character.begin(), character.end(),
                    [&](char c) { return fallback(c) != no_token; })) {
      // A pending unknown token stays pending, and so comes out behind these: the Rust package's
      // way.
      for (const char c : character) symbols.push_back({fallback(c), 1});
    } else if (settings_.unknown != no_token) {
      if (!settings_.fuse_unknown) flush();
      unknown = {settings_.unknown, unknown.length + static_cast<std::uint32_t>(length)};
    }
  }
  flush();
}

void Bpe::merge_by_scan(bool guarded, BpeScratch& scratch) const {
  std::vector<Symbol>& symbols = scratch.symbols_;
  std::vector<std::uint32_t>& ranks = scratch.ranks_;
  std::vector<TokenId>& merged = scratch.merged_;
  if (symbols.size() < 2) return;
  ranks.resize(symbols.size() - 1);
  merged.resize(symbols.size() - 1);
  const auto look = [&](std::size_t i) {
    const Slot* slot = find_merge(symbols[i].id, symbols[i + 1].id, guarded);
    ranks[i] = slot == nullptr ? no_rank : slot->rank;
    merged[i] = slot == nullptr ? no_token : slot->merged;
  };
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) look(i);
  while (!ranks.empty()) {
    const auto best =
        static_cast<std::size_t>(std::min_element(ranks.begin(), ranks.end()) - ranks.begin());
    if (ranks[best] == no_rank) return;
    symbols[best] = {merged[best], symbols[best].length + symbols[best + 1].length};
    const auto at = static_cast<std::ptrdiff_t>(best);
    symbols.erase(symbols.begin() + at + 1);
    ranks.erase(ranks.begin() + at);
    merged.erase(merged.begin() + at);
    if (best > 0) look(best - 1);
    if (best < ranks.size()) look(best);
  }
}

void Bpe::merge_by_heap(bool guarded, BpeScratch& scratch) const {
  std::vector<Symbol>& symbols = scratch.symbols_;
  std::vector<BpeScratch::Candidate>& heap = scratch.heap_;
  std::vector<BpeScratch::Link>& links = scratch.links_;
  const auto later = [](const auto& a, const auto& b) { return a.order > b.order; };
  const auto count = static_cast<std::int32_t>(symbols.size());
  const auto symbol = [&](std::int32_t i) -> Symbol& {
    return symbols[static_cast<std::size_t>(i)];
  };
  const auto link = [&](std::int32_t i) -> BpeScratch::Link& {
    return links[static_cast<std::size_t>(i)];
  };
  heap.clear();
  links.resize(symbols.size());
  const auto add = [&](std::int32_t left, std::int32_t right) {
    const Slot* slot = find_merge(symbol(left).id, symbol(right).id, guarded);
    if (slot == nullptr) return false;
    heap.push_back({static_cast<std::uint64_t>(slot->rank) << 32 | static_cast<std::uint32_t>(left),
                    slot->merged});
    return true;
  };
  for (std::int32_t i = 0; i < count; ++i) {
    link(i) = {i - 1, i + 1 < count ? i + 1 : -1};
    if (i + 1 < count) add(i, i + 1);
  }
  std::make_heap(heap.begin(), heap.end(), later);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const BpeScratch::Candidate top = heap.back();
    heap.pop_back();
    const auto left = static_cast<std::int32_t>(top.order & 0xFFFFFFFF);
    const std::int32_t right = link(left).next;
    if (symbol(left).length == 0 || right < 0) continue;
    const Slot* slot = find_merge(symbol(left).id, symbol(right).id, guarded);
    if (slot == nullptr || slot->merged != top.merged) continue;  // out of date
    symbol(left) = {top.merged, symbol(left).length + symbol(right).length};
    symbol(right).length = 0;
    link(left).next = link(right).next;
    if (link(left).next >= 0) link(link(left).next).previous = left;
    if (link(left).previous >= 0 && add(link(left).previous, left))
      std::push_heap(heap.begin(), heap.end(), later);
    if (link(left).next >= 0 && add(left, link(left).next))
      std::push_heap(heap.begin(), heap.end(), later);
  }
  std::erase_if(symbols, [](const Symbol& s) { return s.length == 0; });
}

}  // namespace fg::text::tok
