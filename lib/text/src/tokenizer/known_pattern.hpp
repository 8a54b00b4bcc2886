#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/section.hpp"

namespace fg::text::tok {

/// The expressions in wide use, for which `split_known` is many times faster than PCRE2.
enum class KnownPattern : std::uint8_t {
  gpt2,    // ByteLevel's own
  llama3,  // GPT-4's cl100k: numbers of up to three digits
  qwen2,   // the same with single digits
  tekken,  // Mistral's: words also end where capitals begin
};

/// The expression's text as it stands in the files.
std::string_view expression_of(KnownPattern pattern);
/// The pattern with exactly this text.
std::optional<KnownPattern> find_known_pattern(std::string_view expression);

/// Appends the matches in `piece` of `text` (valid UTF-8). Each of these expressions matches at
/// every position, so the matches cover the piece.
void split_known(KnownPattern pattern, std::string_view text, Range piece,
                 std::vector<Range>& matches);

}  // namespace fg::text::tok
