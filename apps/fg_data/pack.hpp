#pragma once

#include <string>

#include <fg/data/chat_encoder.hpp>

#include "options.hpp"

namespace fg::data_app {

/// What `fg-data pack` prints: counts, how the epoch is packed, and the first rows as text. With
/// --json instead each row of the epoch as the model gets it, one JSON object a line: `ids`, the
/// `lengths` of its documents, and `targets`, where -1 is not trained.
std::string pack_text(const PackJob& job, const data::ChatEncoder& encoder);

/// What `fg-data stats` prints: counts, lengths and their histogram.
std::string stats_text(const PackJob& job, const data::ChatEncoder& encoder);

/// Writes to standard output. Error(cannot_save).
void print(const std::string& text);

}  // namespace fg::data_app
