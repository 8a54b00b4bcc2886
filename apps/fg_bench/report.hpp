#pragma once

#include <optional>
#include <string>

#include <fg/base/json.hpp>

#include "options.hpp"

namespace fg::bench {

/// What became of a row: a result, with what "light" was where that was measured, or an error.
struct Outcome {
  std::optional<engine::BenchResult> result;
  std::optional<engine::LightResult> light;
  std::string error;
};

/// The row as --json has it (docs/performance.md).
Json as_json(const Options& options, const Row& row, const Outcome& outcome);

/// The table: its head, a row, and under it the row's phases, if there are any.
std::string table_head();
std::string table_line(const Json& row);
std::string phases_line(const Json& row);

/// Replaces the file by these rows. Error(cannot_save).
void write_json(const std::filesystem::path& file, const Json& rows);

}  // namespace fg::bench
