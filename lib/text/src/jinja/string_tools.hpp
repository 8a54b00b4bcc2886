#pragma once

#include <optional>
#include <vector>

#include "jinja/interpreter.hpp"
#include "jinja/unicode.hpp"

namespace fg::text::jinja {

/// Bytes [begin, end) of a string.
struct Part {
  std::size_t begin;
  std::size_t end;
};

/// What is left of `text` when white space, or code points of `characters`, go at the chosen sides.
Part stripped(std::string_view text, const std::optional<std::string>& characters, bool left,
              bool right);
/// Parts between white space; at most `limit` cuts where it is not negative.
std::vector<Part> split_space(std::string_view text, std::int64_t limit);
std::vector<Part> split_space_right(std::string_view text, std::int64_t limit);
std::vector<Part> split_at(std::string_view text, std::string_view separator, std::int64_t limit);
std::vector<Part> split_at_right(std::string_view text, std::string_view separator,
                                 std::int64_t limit);
std::vector<Part> split_lines(std::string_view text, bool keep_ends);
/// Like find_bytes, the last place; linear time.
std::size_t find_last_bytes(std::string_view text, std::string_view needle);

/// str.replace; `limit` negative: all.
Text replaced(Interpreter& run, const Text& text, const Text& old, const Text& fresh,
              std::int64_t limit);
/// The whole text through one case mapping (upper, fold), or lower with its final sigma.
Text cased(const Text& text, Case how);
Text capitalized(const Text& text);
Text swapped_case(const Text& text);
/// `text` in the middle (or at a side) of `width` code points.
enum class Side { left, middle, right };
Text justified(const Text& text, std::size_t width, const Text& fill, Side side);

}  // namespace fg::text::jinja
