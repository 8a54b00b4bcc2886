#include "tokenizer/added_tokens.hpp"

#include <algorithm>
#include <utility>

#include "tokenizer/unicode.hpp"
#include "tokenizer/utf8_scan.hpp"

namespace fg::text::tok {
namespace {

bool ends_with_word(std::string_view text, std::size_t end) {
  std::size_t length = 0;
  return end > 0 && is_word(scan_utf8(text, previous_utf8(text, end), length));
}

bool begins_with_word(std::string_view text, std::size_t begin) {
  std::size_t length = 0;
  return begin < text.size() && is_word(scan_utf8(text, begin, length));
}

bool is_blank_at(std::string_view text, std::size_t at, std::size_t& length) {
  return (char_class(scan_utf8(text, at, length)) & class_space) != 0;
}

std::size_t skip_blanks_back(std::string_view text, std::size_t end, std::size_t limit) {
  std::size_t length = 0;
  while (end > limit) {
    const std::size_t begin = previous_utf8(text, end);
    if (!is_blank_at(text, begin, length)) break;
    end = begin;
  }
  return end;
}

std::size_t skip_blanks(std::string_view text, std::size_t at) {
  std::size_t length = 0;
  while (at < text.size() && is_blank_at(text, at, length)) at += length;
  return at;
}

Range range_of(std::size_t begin, std::size_t end) {
  return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)};
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<Entry> entries) : entries_(std::move(entries)) {
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.text < b.text; });
  for (const Entry& entry : entries_) begins_[static_cast<unsigned char>(entry.text[0])] = true;
  if (std::count(begins_.begin(), begins_.end(), true) == 1)
    only_first_byte_ = static_cast<unsigned char>(entries_[0].text[0]);
}

std::size_t AddedTokenMatcher::next_candidate(std::string_view text, std::size_t at) const {
  if (only_first_byte_ >= 0)
    return std::min(text.find(static_cast<char>(only_first_byte_), at), text.size());
  while (at < text.size() && !begins_[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

/// Narrows the sorted entries byte by byte to those that begin as the text does.
AddedTokenMatcher::Found AddedTokenMatcher::longest_at(std::string_view text, std::size_t at,
                                                       const Barred& is_barred) const {
  Found found;
  auto first = entries_.begin(), last = entries_.end();
  for (std::size_t depth = 0; at + depth < text.size() && first != last; ++depth) {
    const auto byte = static_cast<unsigned char>(text[at + depth]);
    const auto byte_of = [&](const Entry& entry) {
      return static_cast<unsigned char>(entry.text[depth]);
    };
    first = std::partition_point(
        first, last, [&](const Entry& e) { return e.text.size() <= depth || byte_of(e) < byte; });
    last = std::partition_point(first, last, [&](const Entry& e) { return byte_of(e) == byte; });
    if (first == last || first->text.size() != depth + 1) continue;
    const std::size_t end = at + depth + 1;
    if (!first->token->special || !is_barred || !is_barred(range_of(at, end)))
      found = {first->token, end};
  }
  return found;
}

void AddedTokenMatcher::cut(std::string_view text, const Barred& is_barred,
                            std::vector<Stretch>& stretches) const {
  if (text.empty()) return;
  std::size_t done = 0;  // everything before is in stretches
  for (std::size_t at = next_candidate(text, 0); at < text.size() && !entries_.empty();
       at = next_candidate(text, at)) {
    const Found found = longest_at(text, at, is_barred);
    if (found.token == nullptr) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = found.end;
    // A match that is no single word is passed over whole; shorter tokens in it do not match
    // either.
    at = end;
    if (found.token->single_word && (ends_with_word(text, begin) || begins_with_word(text, end)))
      continue;
    if (found.token->lstrip)
      begin = std::min(std::max(skip_blanks_back(text, begin, done), done), end);
    if (found.token->rstrip) end = skip_blanks(text, end);
    if (done < begin) stretches.push_back({range_of(done, begin), nullptr});
    stretches.push_back({range_of(begin, end), found.token});
    done = end;
  }
  if (done < text.size()) stretches.push_back({range_of(done, text.size()), nullptr});
}

}  // namespace fg::text::tok
