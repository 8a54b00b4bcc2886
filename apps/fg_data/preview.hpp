#pragma once

#include <cstddef>
#include <string>

#include <fg/data/epoch_plan.hpp>
#include <fg/data/token_set.hpp>
#include <fg/text/tokenizer.hpp>

namespace fg::data_app {

/// A row as text, each document under a line of its own that says what it is. Tokens that are
/// trained stand in green, or between ⟦ and ⟧. Control characters of the text are shown, not sent:
/// "^[" for an escape.
std::string preview_row(const data::TokenSet& set, const data::EpochPlan& plan, std::size_t row,
                        const text::Tokenizer& tokenizer, bool color);

}  // namespace fg::data_app
