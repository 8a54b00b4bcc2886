#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace fg::log {

enum class Level { debug, info, warning, error, off };

/// "debug", "info", "warning" ("warn"), "error", "off"; nothing for any other word.
std::optional<Level> parse_level(std::string_view word);

struct Options {
  Level level = Level::info;
  std::filesystem::path file;  // appended to; empty: none
  int rank = 0;                // world rank
  int ranks = 1;
};

/// Opens the outputs. Rank 0 shows lines from `level` up; other ranks only warnings and errors,
/// with their rank, so that N ranks do not say everything N times. Not collective. Without a call
/// lines go to standard error at level info. Error(cannot_save) if the file cannot be opened.
void start(const Options& options);

/// One line each. Any thread. The error level is for failures the program goes on after; the one
/// that ends it is thrown as Error.
void debug(std::string_view text);
void info(std::string_view text);
void warning(std::string_view text);
/// A warning that all ranks come to alike: said by the first.
void common_warning(std::string_view text);
void error(std::string_view text);

/// True if standard error is a terminal and this rank may draw on it.
bool draws_on_terminal();

}  // namespace fg::log
