#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include <fg/base/units.hpp>
#include <fg/log/console.hpp>
#include <fg/log/log.hpp>

namespace fg::log {
namespace {

constexpr int rows_between_names = 20;

std::string not_finite(double number) {
  if (std::isnan(number)) return "nan";
  return number > 0 ? "inf" : "-inf";
}

std::string printed(const char* format, int decimals, double number) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, decimals, number);
  return text.data();
}

std::string right_aligned(const std::string& text, std::size_t width) {
  return text.size() >= width ? text : std::string(width - text.size(), ' ') + text;
}

std::string two_units(std::int64_t large, const char* large_unit, std::int64_t small,
                      const char* small_unit) {
  return std::to_string(large) + " " + large_unit + (small < 10 ? " 0" : " ") +
         std::to_string(small) + " " + small_unit;
}

std::string whole(double number) {
  if (!std::isfinite(number)) return not_finite(number);
  return with_thousands(static_cast<std::uint64_t>(std::clamp(number, 0.0, 1e15)));
}

struct Cell {
  std::string name;
  std::size_t width;
  std::string value;
};

std::vector<Cell> cells(const TrainRecord& record, std::optional<double> eta_seconds) {
  std::vector<Cell> row = {{"step", 9, whole(static_cast<double>(record.step))},
                           {"epoch", 7, format_fixed(record.epoch, 3)},
                           {"loss", 9, format_fixed(record.loss, 5)}};
  if (record.grad_norm) row.push_back({"grad norm", 9, format_fixed(*record.grad_norm, 4)});
  row.push_back(
      {"lr", 9, std::isfinite(record.lr) ? printed("%.*e", 2, record.lr) : not_finite(record.lr)});
  row.push_back({"tok/s", 9, whole(record.tokens_per_second)});
  if (record.mfu) row.push_back({"MFU", 6, format_fixed(*record.mfu * 100, 1) + "%"});
  if (!record.memory_gib.empty())
    row.push_back(
        {"memory", 10, format_fixed(*std::ranges::max_element(record.memory_gib), 2) + " GiB"});
  if (eta_seconds) row.push_back({"ETA", 12, format_duration(*eta_seconds)});
  return row;
}

}  // namespace

std::string format_count(double number) {
  if (!std::isfinite(number)) return not_finite(number);
  static constexpr std::array<const char*, 5> suffixes = {"", " k", " M", " B", " T"};
  std::size_t power = 0;
  // 999.5 would be rounded to a fourth digit.
  for (; std::abs(number) >= (power == 0 ? 1000 : 999.5) && power + 1 < suffixes.size(); ++power)
    number /= 1000;
  if (power == 0) return printed("%.*g", 6, number);
  const int decimals = std::abs(number) < 9.995 ? 2 : std::abs(number) < 99.95 ? 1 : 0;
  return printed("%.*f", decimals, number) + suffixes[power];
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e12) return "?";
  const auto total = static_cast<std::int64_t>(std::llround(seconds));
  if (total < 60) return std::to_string(total) + " s";
  if (total < 3600) return two_units(total / 60, "min", total % 60, "s");
  if (total < 86400) return two_units(total / 3600, "h", total % 3600 / 60, "min");
  return two_units(total / 86400, "d", total % 86400 / 3600, "h");
}

std::string format_fixed(double number, int decimals) {
  if (!std::isfinite(number)) return not_finite(number);
  return std::abs(number) < 1e6 ? printed("%.*f", decimals, number)
                                : printed("%.*e", decimals, number);
}

std::optional<double> seconds_left(std::int64_t steps_done, double seconds,
                                   std::int64_t steps_left) {
  if (steps_done <= 0) return std::nullopt;
  return seconds / static_cast<double>(steps_done) *
         static_cast<double>(std::max<std::int64_t>(steps_left, 0));
}

std::vector<std::string> format_block(const std::string& title, const Block& block) {
  std::size_t width = 0;
  for (const auto& [label, value] : block) width = std::max(width, label.size());
  std::vector<std::string> lines = {title};
  for (const auto& [label, value] : block) {
    std::string head = "  " + label + ":" + std::string(width - label.size() + 2, ' ');
    std::size_t begin = 0;
    for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
      end = value.find('\n', begin);
      lines.push_back(head + value.substr(begin, end - begin));
      head.assign(width + 5, ' ');
    }
  }
  return lines;
}

std::vector<std::string> TrainTable::lines(const TrainRecord& record,
                                           std::optional<double> eta_seconds) {
  std::vector<std::string> columns;
  std::string names, row;
  for (const Cell& cell : cells(record, eta_seconds)) {
    const std::string gap = columns.empty() ? "" : "  ";
    names += gap + right_aligned(cell.name, cell.width);
    row += gap + right_aligned(cell.value, cell.width);
    columns.push_back(cell.name);
  }
  if (columns == columns_ && rows_ < rows_between_names) {
    ++rows_;
    return {row};
  }
  columns_ = columns;
  rows_ = 1;
  return {names, row};
}

std::string format_evaluation(const EvalRecord& record) {
  return "evaluation at step " + whole(static_cast<double>(record.step)) + ": loss " +
         format_fixed(record.eval_loss, 5) + ", perplexity " +
         format_fixed(record.eval_perplexity, 4) + ", " +
         whole(static_cast<double>(record.eval_tokens)) + " tokens";
}

void say(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) info(line);
}

}  // namespace fg::log
