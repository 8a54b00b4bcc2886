#pragma once

#include <vector>

#include <fg/data/chat_encoder.hpp>
#include <fg/data/token_set.hpp>

namespace fg::data {

/// How many tokens of a document are predicted and count: flagged, and not the first.
std::uint64_t count_trained(const Encoded& document);

/// The documents a record becomes, none longer than seq_len, none without a trained token; what was
/// cut, split and dropped is added to `counts`, and the documents themselves.
///
/// Cut: the beginning, and the end marker behind it. Where the cut falls into text that is not
/// trained, the document ends with the last trained token before it instead, which is the end
/// marker of an assistant's message.
/// Split: windows of seq_len tokens, each but the first beginning with the last token of the one
/// before, so that every token but the record's first is a target exactly once.
std::vector<Encoded> fit(Encoded record, std::size_t seq_len, TooLong too_long, Counts& counts);

}  // namespace fg::data
