#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Standard error as a terminal: lines, and below them at most one bar that stays the last line.
/// Any thread.
namespace fg::log::terminal {

/// `text` ends with a line break. Goes above the bar.
void print(std::string_view text);

/// Draws the bar, over the one before; cut to the terminal's width, so that it stays one line.
void show_bar(const std::string& bar);
void remove_bar();
/// Leaves the bar where it is and goes to the next line.
void leave_bar();

/// What has to be sent so that `lines` end up above `bar`; `bar` empty: there is none.
std::string above_bar(std::string_view lines, std::string_view bar);

}  // namespace fg::log::terminal
