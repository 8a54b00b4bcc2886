#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fg::log {

/// The first line of metrics.csv, with its line break.
std::string csv_header();

struct MetricsRow {
  std::int64_t step = 0;
  std::string csv;  // with its line break
};

/// The row of one line of metrics.jsonl (without its line break), or nothing where that line is no
/// record: cut, damaged, or without a whole number as step.
std::optional<MetricsRow> read_metrics_line(std::string_view line);

}  // namespace fg::log
