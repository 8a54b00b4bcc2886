#include "tokenizer/normal_form.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include <utf8proc.h>

#include <fg/base/utf8.hpp>

#include "tokenizer/unicode.hpp"
#include "tokenizer/utf8_scan.hpp"

namespace fg::text::tok {
namespace {

/// A character of the new text. How it came to be: 1 - `change` characters of the old text go into
/// it, so 0 replaces one, -1 composes two, and 1 was added behind its predecessor.
struct Element {
  char32_t point;
  int change;
  int combining_class;
};

int combining_class(char32_t point) {
  if (point < 0x300 || is_inert_in_unicode_9(point)) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(point))->combining_class;
}

void append_decomposed(std::vector<Element>& elements, char32_t point, bool compatible) {
  if (point < 0x80 || is_inert_in_unicode_9(point)) {
    elements.push_back({point, 0, 0});
    return;
  }
  std::array<utf8proc_int32_t, 32> parts{};
  int last_boundary_class = 0;
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
  // At most 18 parts by the standard; a negative count would be a point outside Unicode.
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(point), parts.data(),
      static_cast<utf8proc_ssize_t>(parts.size()), options, &last_boundary_class);
  for (utf8proc_ssize_t i = 0; i < std::min<utf8proc_ssize_t>(count, parts.size()); ++i) {
    const auto part = static_cast<char32_t>(parts[static_cast<std::size_t>(i)]);
    elements.push_back({part, i == 0 ? 0 : 1, combining_class(part)});
  }
}

std::vector<Element> decompose(std::string_view text, bool compatible) {
  std::vector<Element> elements;
  elements.reserve(text.size());
  for (std::size_t at = 0, length = 0; at < text.size(); at += length)
    append_decomposed(elements, scan_utf8(text, at, length), compatible);
  for (auto begin = elements.begin(); begin != elements.end();) {
    const auto end = std::find_if(begin, elements.end(),
                                  [](const Element& e) { return e.combining_class == 0; });
    std::stable_sort(begin, end, [](const Element& a, const Element& b) {
      return a.combining_class < b.combining_class;
    });
    begin = end == elements.end() ? end : end + 1;
  }
  return elements;
}

std::optional<char32_t> compose_pair(char32_t first, char32_t second) {
  if (second < 0x300 || is_inert_in_unicode_9(first) || is_inert_in_unicode_9(second))
    return std::nullopt;
  std::array<utf8proc_int32_t, 3> pair = {static_cast<utf8proc_int32_t>(first),
                                          static_cast<utf8proc_int32_t>(second), 0};
  const utf8proc_ssize_t length = utf8proc_normalize_utf32(
      pair.data(), 2, static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  const auto composed = static_cast<char32_t>(pair[0]);
  if (length != 1 || is_inert_in_unicode_9(composed)) return std::nullopt;
  return composed;
}

std::vector<Element> compose(const std::vector<Element>& elements) {
  std::vector<Element> composed, marks;  // marks that follow the starter uncomposed
  std::optional<Element> starter;
  const auto flush = [&] {
    if (starter) composed.push_back(*starter);
    composed.insert(composed.end(), marks.begin(), marks.end());
    marks.clear();
    starter.reset();
  };
  for (const Element& element : elements) {
    const int ccc = element.combining_class;
    const bool is_blocked = !marks.empty() && marks.back().combining_class >= ccc;
    if (starter && !is_blocked) {
      if (const auto whole = compose_pair(starter->point, element.point)) {
        *starter = {*whole, starter->change + element.change - 1, 0};
        continue;
      }
    }
    if (ccc == 0) {
      flush();
      starter = element;
    } else if (starter) {
      marks.push_back(element);
    } else {
      composed.push_back(element);
    }
  }
  flush();
  return composed;
}

void apply(Section& section, const std::vector<Element>& elements) {
  const std::string_view text = section.text();
  section.begin_rewrite(text.size() + text.size() / 4);
  std::size_t at = 0;
  const auto origin_at = [&](std::size_t byte) {
    const auto begin = static_cast<std::uint32_t>(byte);
    return section.is_tracked() ? section.origin({begin, begin + 1}) : Range{};
  };
  std::string encoded;
  for (const Element& element : elements) {
    encoded.clear();
    append_utf8(encoded, element.point);
    Range origin{section.base(), section.base()};
    if (element.change > 0) {
      if (at > 0) origin = origin_at(at - 1);
    } else {
      if (at < text.size()) origin = origin_at(at);
      for (int n = element.change; n <= 0 && at < text.size(); ++n) {
        std::size_t length = 0;
        scan_utf8(text, at, length);
        at += length;
      }
    }
    section.insert_at(encoded, origin);
  }
  section.end_rewrite({{0, section.rewritten_size()}});
}

}  // namespace

void normalize(Section& section, NormalForm form) {
  const std::string_view text = section.text();
  // No lead byte below 0xCC begins a code point from U+0300 on, and NFC changes none before.
  const unsigned char first_changing = form == NormalForm::nfc ? 0xCC : 0x80;
  if (std::none_of(text.begin(), text.end(),
                   [&](char byte) { return static_cast<unsigned char>(byte) >= first_changing; }))
    return;
  const bool compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
  std::vector<Element> elements = decompose(text, compatible);
  if (form == NormalForm::nfc || form == NormalForm::nfkc) elements = compose(elements);
  apply(section, elements);
}

}  // namespace fg::text::tok
