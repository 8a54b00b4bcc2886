#include "tokenizer/repair.hpp"

#include <algorithm>

#include <fg/base/utf8.hpp>

#include "tokenizer/decoder.hpp"

namespace fg::text::tok {
namespace {

constexpr std::size_t replacement_bytes = 3;

}  // namespace

RepairedText::RepairedText(std::string_view broken) {
  std::size_t at = 0;
  while (at < broken.size()) {
    const std::size_t valid = find_invalid_utf8(broken.substr(at)).value_or(broken.size() - at);
    text_ += broken.substr(at, valid);
    at += valid;
    if (at == broken.size()) break;
    const std::size_t length = broken_length(broken.substr(at));
    patches_.push_back({text_.size(), at, at + length});
    append_utf8(text_, 0xFFFD);
    at += length;
  }
}

ByteSpan RepairedText::to_original(ByteSpan span) const {
  const auto map = [&](std::size_t place, bool is_end) {
    const auto after = std::partition_point(patches_.begin(), patches_.end(), [&](const Patch& p) {
      return is_end ? p.repaired < place : p.repaired <= place;
    });
    if (after == patches_.begin()) return place;
    const Patch& patch = *(after - 1);
    const std::size_t behind = patch.repaired + replacement_bytes;
    if (place < behind) return is_end ? patch.end : patch.begin;
    return patch.end + (place - behind);
  };
  return span.begin == span.end ? ByteSpan{map(span.begin, false), map(span.begin, false)}
                                : ByteSpan{map(span.begin, false), map(span.end, true)};
}

ByteSpan RepairedText::to_repaired(ByteSpan span) const {
  const auto map = [&](std::size_t place, bool is_end) {
    const auto after = std::partition_point(patches_.begin(), patches_.end(), [&](const Patch& p) {
      return is_end ? p.begin < place : p.begin <= place;
    });
    if (after == patches_.begin()) return place;
    const Patch& patch = *(after - 1);
    if (place < patch.end) return is_end ? patch.repaired + replacement_bytes : patch.repaired;
    return patch.repaired + replacement_bytes + (place - patch.end);
  };
  return {map(span.begin, false), map(span.end, true)};
}

}  // namespace fg::text::tok
