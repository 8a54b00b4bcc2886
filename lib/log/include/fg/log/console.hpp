#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fg/log/metrics.hpp>

namespace fg::log {

/// 1234 → "1.23 k", 6738415616 → "6.74 B" (thousand, million, billion, trillion: three digits
/// that count). Below 1000 the number itself; "nan", "inf", "-inf" as such.
std::string format_count(double number);
/// "42 s", "3 min 05 s", "2 h 07 min", "3 d 04 h"; "?" where it is negative or not finite.
std::string format_duration(double seconds);
/// "nan" and infinities as such, else printf's "%.*f", or "%.*e" from 1e6 up.
std::string format_fixed(double number, int decimals);

/// Seconds until `steps_left` more steps are done, if they go as fast as the `steps_done` of
/// `seconds` did. Steps of an earlier part of a resumed run count in neither. Nothing before the
/// first step.
std::optional<double> seconds_left(std::int64_t steps_done, double seconds,
                                   std::int64_t steps_left);

/// "Run" and, below it, each label and its value, the values in one column. Values may have several
/// lines.
using Block = std::vector<std::pair<std::string, std::string>>;
std::vector<std::string> format_block(const std::string& title, const Block& block);

/// The lines of a training run: one a log step in right-aligned columns, what is not known left
/// out, under a line of column names that comes again every 20 rows and when the columns change.
class TrainTable {
public:
  /// The row, preceded by the names where they are due. `eta_seconds`: see `seconds_left`.
  std::vector<std::string> lines(const TrainRecord& record, std::optional<double> eta_seconds);

private:
  std::vector<std::string> columns_;  // of the rows so far
  int rows_ = 0;                      // since the last line of names
};

/// "evaluation at step 1,200: loss 1.23456, perplexity 3.4369, 51,200 tokens"
std::string format_evaluation(const EvalRecord& record);

/// Each line as one information line of the log.
void say(const std::vector<std::string>& lines);

}  // namespace fg::log
