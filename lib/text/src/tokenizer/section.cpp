#include "tokenizer/section.hpp"

#include <algorithm>
#include <utility>

#include "tokenizer/utf8_scan.hpp"

namespace fg::text::tok {
void Section::assign(std::string_view input, Range place, bool tracked) {
  text_ = input.substr(place.begin, place.end - place.begin);
  is_original_ = true;
  tracked_ = tracked;
  base_ = place.begin;
  pieces_.clear();
  if (!text_.empty()) pieces_.push_back({0, static_cast<std::uint32_t>(text_.size())});
}

Range Section::origin(Range bytes) const {
  if (!is_original_) return {origins_[bytes.begin].begin, origins_[bytes.end - 1].end};
  while (bytes.begin > 0 && is_utf8_continuation(text_[bytes.begin])) --bytes.begin;
  while (bytes.end < text_.size() && is_utf8_continuation(text_[bytes.end])) ++bytes.end;
  return {base_ + bytes.begin, base_ + bytes.end};
}

void Section::begin_rewrite(std::size_t expected_size) {
  next_text_.clear();
  next_text_.reserve(expected_size);
  next_origins_.clear();
  if (tracked_) next_origins_.reserve(expected_size);
}

void Section::keep(Range bytes) {
  next_text_.append(text_, bytes.begin, bytes.end - bytes.begin);
  if (!tracked_) return;
  if (!is_original_) {
    next_origins_.insert(next_origins_.end(), origins_.begin() + bytes.begin,
                         origins_.begin() + bytes.end);
    return;
  }
  for (std::uint32_t at = bytes.begin; at < bytes.end;) {
    const Range whole = origin({at, at + 1});
    const std::uint32_t next = std::min(whole.end - base_, bytes.end);
    next_origins_.insert(next_origins_.end(), next - at, whole);
    at = next;
  }
}

void Section::insert(std::string_view added, std::uint32_t like) {
  insert_at(added, has_origins() ? origin({like, like + 1}) : Range{});
}

void Section::insert_at(std::string_view added, Range origin) {
  next_text_ += added;
  if (tracked_) next_origins_.insert(next_origins_.end(), added.size(), origin);
}

void Section::end_rewrite(std::vector<Range> pieces) {
  std::swap(own_text_, next_text_);
  std::swap(origins_, next_origins_);
  text_ = own_text_;
  is_original_ = false;
  pieces_ = std::move(pieces);
}

void Section::copy_part(Section& part, Range bytes) const {
  part.tracked_ = tracked_;
  part.is_original_ = is_original_;
  part.base_ = base_ + bytes.begin;
  if (is_original_) {
    part.text_ = text_.substr(bytes.begin, bytes.end - bytes.begin);
  } else {
    part.own_text_.assign(text_, bytes.begin, bytes.end - bytes.begin);
    part.text_ = part.own_text_;
    part.origins_.clear();
    if (tracked_) {
      part.origins_.assign(origins_.begin() + bytes.begin, origins_.begin() + bytes.end);
      part.base_ = bytes.begin == bytes.end ? base_ : part.origins_.front().begin;
    }
  }
  part.pieces_.clear();
  if (!part.text_.empty())
    part.pieces_.push_back({0, static_cast<std::uint32_t>(part.text_.size())});
}

}  // namespace fg::text::tok
