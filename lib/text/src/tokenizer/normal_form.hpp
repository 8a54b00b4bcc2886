#pragma once

#include <cstdint>

#include "tokenizer/section.hpp"

namespace fg::text::tok {

enum class NormalForm : std::uint8_t { nfc, nfd, nfkc, nfkd };

/// Brings the section's text into a Unicode normalization form, as of Unicode 9, with the origins
/// that the Rust package gives: a composed character keeps its first part's origin only. Unicode
/// Standard Annex 15.
void normalize(Section& section, NormalForm form);

}  // namespace fg::text::tok
