#include "text_output.hpp"

#include <algorithm>
#include <utility>

namespace fg::infer {

TextOutput::TextOutput(const text::Tokenizer& tokenizer, std::span<const std::int32_t> before,
                       std::vector<std::string> stop_strings, OnText on_text)
    : decoder_(tokenizer, text::SpecialTokens::skip),
      filter_(std::move(stop_strings)),
      on_text_(std::move(on_text)),
      hidden_(tokenizer.decode(before, text::SpecialTokens::skip).size()) {
  for (const std::int32_t id : before) pass(decoder_.push(id));
}

void TextOutput::push(std::int32_t id) {
  pass(decoder_.push(id));
}

void TextOutput::finish() {
  pass(decoder_.finish());
  if (!stopped()) show(filter_.finish());
}

void TextOutput::pass(std::string piece) {
  const std::size_t hidden = std::min(hidden_, piece.size());
  hidden_ -= hidden;
  show(filter_.push(std::string_view(piece).substr(hidden)));
}

void TextOutput::show(const std::string& piece) {
  if (piece.empty()) return;
  text_ += piece;
  if (on_text_) on_text_(piece);
}

}  // namespace fg::infer
