#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fg {

/// The known word closest to `word` by edit distance, if one is close enough to be what was meant
/// (at most a third of its letters wrong).
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known);

/// "; did you mean 'x'?" or nothing, to end a message with.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);

}  // namespace fg
