#include "tokenizer/pre_tokenizer.hpp"

#include <utility>

#include "tokenizer/normalizer.hpp"
#include "tokenizer/unicode.hpp"
#include "tokenizer/utf8_scan.hpp"

namespace fg::text::tok {
namespace {

/// A part of a piece: a match of the delimiter, or what lies between two.
struct Part {
  Range range;
  bool is_match;
};

std::vector<Part> parts_of(Range piece, const std::vector<Range>& matches, bool invert) {
  std::vector<Part> parts;
  std::uint32_t at = piece.begin;
  for (const Range match : matches) {
    if (at < match.begin) parts.push_back({{at, match.begin}, invert});
    parts.push_back({match, !invert});
    at = match.end;
  }
  if (at < piece.end) parts.push_back({{at, piece.end}, invert});
  return parts;
}

void append_contiguous(const std::vector<Part>& parts, std::vector<Range>& pieces) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0 && parts[i].is_match == parts[i - 1].is_match)
      pieces.back().end = parts[i].range.end;
    else
      pieces.push_back(parts[i].range);
  }
}

void append_merged_with_previous(const std::vector<Part>& parts, std::vector<Range>& pieces) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0 && parts[i].is_match && !parts[i - 1].is_match)
      pieces.back().end = parts[i].range.end;
    else
      pieces.push_back(parts[i].range);
  }
}

void append_merged_with_next(const std::vector<Part>& parts, std::vector<Range>& pieces) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i + 1 < parts.size() && parts[i].is_match && !parts[i + 1].is_match) {
      pieces.push_back({parts[i].range.begin, parts[i + 1].range.end});
      ++i;
    } else {
      pieces.push_back(parts[i].range);
    }
  }
}

void append_pieces(const std::vector<Part>& parts, SplitBehavior behavior,
                   std::vector<Range>& pieces) {
  switch (behavior) {
    case SplitBehavior::removed:
    case SplitBehavior::isolated:
      for (const Part& part : parts)
        if (behavior == SplitBehavior::isolated || !part.is_match) pieces.push_back(part.range);
      return;
    case SplitBehavior::merged_with_previous:
      return append_merged_with_previous(parts, pieces);
    case SplitBehavior::merged_with_next:
      return append_merged_with_next(parts, pieces);
    case SplitBehavior::contiguous:
      return append_contiguous(parts, pieces);
  }
}

/// `matches` of text that begins at `begin`, moved there.
void shift(std::vector<Range>& matches, std::uint32_t begin) {
  for (Range& match : matches) match = {match.begin + begin, match.end + begin};
}

/// The new text of each piece: `prefix` where `is_wanted`, then its own with every `space` turned
/// into `replacement`.
template <typename Wanted>
void rewrite_pieces(Section& section, std::string_view prefix, std::string_view replacement,
                    const Wanted& is_wanted) {
  std::vector<Range> pieces;
  pieces.reserve(section.pieces().size());
  section.begin_rewrite(section.text().size() + section.text().size() / 2 +
                        section.pieces().size() * prefix.size());
  for (const Range piece : section.pieces()) {
    const std::uint32_t begin = section.rewritten_size();
    if (is_wanted(piece)) section.insert(prefix, piece.begin);
    std::uint32_t at = piece.begin;
    while (!replacement.empty()) {
      const std::size_t found = section.piece_text({at, piece.end}).find(' ');
      if (found == std::string_view::npos) break;
      const auto space = at + static_cast<std::uint32_t>(found);
      section.keep({at, space});
      section.insert(replacement, space);
      at = space + 1;
    }
    section.keep({at, piece.end});
    pieces.push_back({begin, section.rewritten_size()});
  }
  section.end_rewrite(std::move(pieces));
}

SplitBehavior read_behavior(const JsonPart& part) {
  constexpr std::pair<std::string_view, SplitBehavior> names[] = {
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous}};
  const std::string name = part.text();
  for (const auto& [known, behavior] : names)
    if (name == known) return behavior;
  part.refuse("behavior '" + name + "' is not supported");
}

}  // namespace

Metaspace read_metaspace(const JsonPart& part) {
  part.expect_keys(
      {"type", "replacement", "prepend_scheme", "add_prefix_space", "split", "str_rep"});
  Metaspace metaspace;
  metaspace.replacement = one_code_point(part.at("replacement"));
  if (metaspace.replacement == " ") part.refuse("a blank as replacement is not supported");
  metaspace.split = part.flag("split", true);
  if (const auto scheme = part.find("prepend_scheme")) {
    const std::string name = scheme->text();
    if (name == "first")
      metaspace.prepend = PrependScheme::first;
    else if (name == "never")
      metaspace.prepend = PrependScheme::never;
    else if (name != "always")
      scheme->refuse("prepend scheme '" + name + "' is not supported");
  }
  if (!part.flag("add_prefix_space", true)) {
    if (part.find("prepend_scheme") && metaspace.prepend != PrependScheme::never)
      part.refuse("add_prefix_space is false, but prepend_scheme is not 'never'");
    metaspace.prepend = PrependScheme::never;
  }
  return metaspace;
}

PreTokenizer::PreTokenizer(const JsonPart& part, bool use_known_patterns)
    : use_known_patterns_(use_known_patterns) {
  add(part);
}

void PreTokenizer::add(const JsonPart& part) {
  const std::string type = part.text("type");
  if (is_byte_level_ && type != "Sequence")
    part.refuse("pre-tokenizer '" + type + "' behind ByteLevel is not supported");
  if (type == "Sequence") {
    part.expect_keys({"type", "pretokenizers"});
    for (const JsonPart& step : part.at("pretokenizers").elements()) add(step);
  } else if (type == "Split") {
    add_split(part);
  } else if (type == "Digits") {
    part.expect_keys({"type", "individual_digits"});
    steps_.emplace_back(Digits{part.flag("individual_digits")});
  } else if (type == "Metaspace") {
    steps_.emplace_back(read_metaspace(part));
    if (std::get<Metaspace>(steps_.back()).prepend == PrependScheme::first) needs_origins_ = true;
  } else if (type == "ByteLevel") {
    add_byte_level(part);
  } else {
    part.refuse("pre-tokenizer '" + type + "' is not supported");
  }
}

void PreTokenizer::add_split(const JsonPart& part) {
  part.expect_keys({"type", "pattern", "behavior", "invert"});
  Split split;
  split.behavior = read_behavior(part.at("behavior"));
  split.invert = part.flag("invert");
  const JsonPart pattern = part.at("pattern");
  if (const auto regex = pattern.find("Regex"); regex && !pattern.find("String")) {
    split.pattern = compile(regex->text(), regex->place());
  } else {
    std::visit([&](auto&& found) { split.pattern = std::move(found); }, read_pattern(pattern));
  }
  steps_.emplace_back(std::move(split));
}

void PreTokenizer::add_byte_level(const JsonPart& part) {
  part.expect_keys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  if (part.flag("add_prefix_space")) steps_.emplace_back(PrefixSpace{});
  if (part.flag("use_regex", true)) {
    Split split;
    split.pattern = compile(std::string(expression_of(KnownPattern::gpt2)), part.place());
    steps_.emplace_back(std::move(split));
  }
  is_byte_level_ = true;
}

std::variant<std::string, Pattern, KnownPattern> PreTokenizer::compile(
    const std::string& expression, const std::string& place) const {
  if (const auto known = find_known_pattern(expression); known && use_known_patterns_)
    return *known;
  return Pattern(expression, place);
}

std::string PreTokenizer::lone_metaspace() const {
  const Metaspace* only = steps_.size() == 1 ? std::get_if<Metaspace>(&steps_[0]) : nullptr;
  return only == nullptr ? std::string() : only->replacement;
}

void PreTokenizer::run(Section& section, PatternScratch& scratch) const {
  for (const Step& step : steps_)
    std::visit([&](const auto& kind) { apply(kind, section, scratch); }, step);
}

void PreTokenizer::apply(const Split& step, Section& section, PatternScratch& scratch) {
  std::vector<Range> pieces, matches;
  pieces.reserve(section.text().size() / 4 + 1);
  const auto* known = std::get_if<KnownPattern>(&step.pattern);
  const bool keeps_matches = step.behavior == SplitBehavior::isolated;
  for (const Range piece : section.pieces()) {
    if (known != nullptr && keeps_matches) {
      split_known(*known, section.text(), piece, pieces);
      continue;
    }
    matches.clear();
    if (known != nullptr) {
      split_known(*known, section.text(), piece, matches);
    } else {
      const std::string_view text = section.piece_text(piece);
      if (const auto* literal = std::get_if<std::string>(&step.pattern))
        find_text(text, *literal, matches);
      else
        std::get<Pattern>(step.pattern).find_all(text, scratch, matches);
      shift(matches, piece.begin);
    }
    append_pieces(parts_of(piece, matches, step.invert), step.behavior, pieces);
  }
  section.pieces() = std::move(pieces);
}

void PreTokenizer::apply(const Digits& step, Section& section, PatternScratch&) {
  std::vector<Range> pieces, matches;
  for (const Range piece : section.pieces()) {
    matches.clear();
    std::size_t length = 0;
    for (std::size_t at = piece.begin; at < piece.end; at += length)
      if (is_numeric(scan_utf8(section.text(), at, length)))
        matches.push_back(
            {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + length)});
    append_pieces(parts_of(piece, matches, false),
                  step.individual ? SplitBehavior::isolated : SplitBehavior::contiguous, pieces);
  }
  section.pieces() = std::move(pieces);
}

void PreTokenizer::apply(const Metaspace& step, Section& section, PatternScratch&) {
  rewrite_pieces(section, step.replacement, step.replacement, [&](Range piece) {
    const std::string_view text = section.piece_text(piece);
    // A leading blank becomes the replacement, so nothing goes before it.
    if (step.prepend == PrependScheme::never || text.starts_with(step.replacement) ||
        text.starts_with(' '))
      return false;
    return step.prepend == PrependScheme::always ||
           section.origin({piece.begin, piece.begin + 1}).begin == 0;
  });
  if (!step.split) return;
  std::vector<Range> pieces, matches;
  for (const Range piece : section.pieces()) {
    matches.clear();
    find_text(section.piece_text(piece), step.replacement, matches);
    shift(matches, piece.begin);
    append_merged_with_next(parts_of(piece, matches, false), pieces);
  }
  section.pieces() = std::move(pieces);
}

void PreTokenizer::apply(const PrefixSpace&, Section& section, PatternScratch&) {
  const auto is_wanted = [&](Range piece) { return !section.piece_text(piece).starts_with(' '); };
  bool any = false;
  for (const Range piece : section.pieces()) any = any || is_wanted(piece);
  if (any) rewrite_pieces(section, " ", "", is_wanted);
}

}  // namespace fg::text::tok
