#include "tokenizer/post_processor.hpp"

#include <algorithm>

#include "tokenizer/unicode.hpp"
#include "tokenizer/utf8_scan.hpp"

namespace fg::text::tok {
namespace {

/// A blank, or the letter that byte level writes for one.
bool is_blank(std::string_view text, std::size_t at, std::size_t& length) {
  const char32_t point = scan_utf8(text, at, length);
  return point == 0x120 || (char_class(point) & class_space) != 0;
}

std::size_t leading_blanks(std::string_view text) {
  std::size_t count = 0, length = 0;
  for (std::size_t at = 0; at < text.size() && is_blank(text, at, length); at += length) ++count;
  return count;
}

std::size_t trailing_blanks(std::string_view text) {
  std::size_t count = 0, length = 0;
  for (std::size_t end = text.size(); end > 0; ++count) {
    const std::size_t begin = previous_utf8(text, end);
    if (!is_blank(text, begin, length)) break;
    end = begin;
  }
  return count;
}

}  // namespace

PostProcessor::PostProcessor(const JsonPart& part, std::size_t vocabulary_size) {
  add(part, vocabulary_size);
}

void PostProcessor::add(const JsonPart& part, std::size_t vocabulary_size) {
  const std::string type = part.text("type");
  if (type == "Sequence") {
    part.expect_keys({"type", "processors"});
    for (const JsonPart& step : part.at("processors").elements()) add(step, vocabulary_size);
  } else if (type == "ByteLevel") {
    part.expect_keys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    if (part.flag("trim_offsets")) steps_.emplace_back(Trim{part.flag("add_prefix_space")});
  } else if (type == "TemplateProcessing") {
    steps_.emplace_back(read_template(part, vocabulary_size));
  } else {
    part.refuse("post-processor '" + type + "' is not supported");
  }
}

PostProcessor::Template PostProcessor::read_template(const JsonPart& part,
                                                     std::size_t vocabulary_size) {
  part.expect_keys({"type", "single", "pair", "special_tokens"});
  Template shape;
  for (const JsonPart& piece : part.at("single").elements()) {
    piece.expect_keys({"SpecialToken", "Sequence"});
    if (const auto sequence = piece.find("Sequence")) {
      if (sequence->text("id") != "A") sequence->refuse("only sequence A is supported here");
      shape.pieces.emplace_back();
      continue;
    }
    const JsonPart token = piece.at("SpecialToken");
    const JsonPart entry = part.at("special_tokens").at(token.text("id"));
    Special special;
    for (const JsonPart& id : entry.at("ids").elements()) {
      if (id.count() >= vocabulary_size)
        id.refuse("id " + std::to_string(id.count()) + " is beyond the vocabulary of " +
                  std::to_string(vocabulary_size));
      special.ids.push_back(static_cast<TokenId>(id.count()));
    }
    for (const JsonPart& text : entry.at("tokens").elements()) special.texts.push_back(text.text());
    if (special.ids.empty() || special.ids.size() != special.texts.size())
      entry.refuse("expected as many ids as tokens, at least one");
    shape.pieces.push_back(std::move(special));
  }
  return shape;
}

bool PostProcessor::trims_offsets() const {
  return std::any_of(steps_.begin(), steps_.end(),
                     [](const auto& step) { return std::holds_alternative<Trim>(step); });
}

void PostProcessor::run(TokenList& tokens, std::string_view text, bool add_special) const {
  for (const auto& step : steps_) {
    if (const auto* shape = std::get_if<Template>(&step))
      apply(*shape, tokens, add_special);
    else
      apply(std::get<Trim>(step), tokens, text);
  }
}

void PostProcessor::apply(const Template& shape, TokenList& tokens, bool add_special) {
  TokenList result;
  result.has_offsets = tokens.has_offsets;
  const auto append = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  for (const Special& piece : shape.pieces) {
    if (piece.ids.empty()) {
      append(result.ids, tokens.ids);
      append(result.offsets, tokens.offsets);
      append(result.texts, tokens.texts);
    } else if (add_special) {
      append(result.ids, piece.ids);
      append(result.texts, piece.texts);
      if (result.has_offsets) result.offsets.resize(result.ids.size());
    }
  }
  tokens = std::move(result);
}

void PostProcessor::apply(const Trim& trim, TokenList& tokens, std::string_view text) {
  if (!tokens.has_offsets) return;
  for (std::size_t i = 0; i < tokens.offsets.size(); ++i) {
    ByteSpan& span = tokens.offsets[i];
    std::size_t leading = leading_blanks(tokens.texts[i]);
    const std::size_t trailing = trailing_blanks(tokens.texts[i]);
    // A single blank at the start is the one that was added there.
    if ((i == 0 || span.begin == 0) && trim.add_prefix_space && leading == 1) leading = 0;
    for (; leading > 0 && span.begin < span.end; --leading) {
      std::size_t length = 0;
      scan_utf8(text, span.begin, length);
      span.begin = std::min(span.begin + length, span.end);
    }
    std::size_t end = span.end, back = 0;
    for (; back < trailing && end > 0; ++back) end = previous_utf8(text, end);
    if (back == trailing) span.end = std::max(end, span.begin);
  }
}

}  // namespace fg::text::tok
