#include "tokenizer/vocabulary.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace fg::text::tok {

std::uint64_t hash_bytes(std::string_view bytes) {
  constexpr std::uint64_t odd = 0x9E3779B97F4A7C15;
  std::uint64_t hash = bytes.size() * odd;
  const auto mix = [&](std::uint64_t word) {
    hash = (hash ^ word) * odd;
    hash ^= hash >> 32;
  };
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    mix(word);
  }
  if (at < bytes.size()) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, bytes.size() - at);
    mix(word);
  }
  hash *= odd;
  return hash ^ (hash >> 29);
}

void Vocabulary::add(std::string_view text, TokenId id) {
  entries_.push_back({block_.size(), static_cast<std::uint32_t>(text.size()), id});
  block_ += text;
}

std::unique_ptr<Vocabulary::Flaw> Vocabulary::finish() {
  const auto flaw = [](std::string what) { return std::make_unique<Flaw>(Flaw{std::move(what)}); };
  size_ = entries_.size();
  std::vector<Entry> ordered(size_);
  for (const Entry& entry : entries_) {
    const auto name = [&] {
      return "id " + std::to_string(entry.id) + " of '" + std::string(text(entry)) + "'";
    };
    if (!contains(entry.id))
      return flaw(name() + " is not within 0 to " + std::to_string(size_ - 1) + ", as " +
                  std::to_string(size_) + " entries without holes need");
    Entry& place = ordered[static_cast<std::size_t>(entry.id)];
    if (place.id != no_token)
      return flaw(name() + " is also that of '" + std::string(text(place)) + "'");
    place = entry;
  }
  entries_ = std::move(ordered);
  table_.assign(std::bit_ceil(size_ * 2 + 2), no_token);
  const std::size_t mask = table_.size() - 1;
  for (const Entry& entry : entries_) {
    std::size_t slot = hash_bytes(text(entry)) & mask;
    for (; table_[slot] != no_token; slot = (slot + 1) & mask)
      if (text(table_[slot]) == text(entry))
        return flaw("'" + std::string(text(entry)) + "' comes twice");
    table_[slot] = entry.id;
  }
  return nullptr;
}

TokenId Vocabulary::find(std::string_view text) const {
  if (table_.empty()) return no_token;
  const std::size_t mask = table_.size() - 1;
  for (std::size_t slot = hash_bytes(text) & mask; table_[slot] != no_token;
       slot = (slot + 1) & mask)
    if (this->text(table_[slot]) == text) return table_[slot];
  return no_token;
}

std::string_view Vocabulary::text(TokenId id) const {
  return text(entries_[static_cast<std::size_t>(id)]);
}

}  // namespace fg::text::tok
