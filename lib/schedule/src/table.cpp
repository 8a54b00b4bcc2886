#include <algorithm>

#include <fg/schedule/passes.hpp>
#include <fg/schedule/table.hpp>

#include "slots.hpp"

namespace fg::schedule {
namespace {

using Row = std::vector<std::string>;

/// The cells of each rank, all rows as long as the longest.
std::vector<Row> rows_of(const Plan& compute) {
  std::vector<Row> rows(compute.programs.size());
  std::vector<std::size_t> placed(compute.programs.size());
  std::size_t length = 0;
  for (const Placed& step : run_in_slots(compute)) {
    Row& row = rows[step.rank];
    row.resize(static_cast<std::size_t>(step.slot), ".");
    row.push_back(to_string(step.action));
    ++placed[step.rank];
    length = std::max(length, row.size());
  }
  for (std::size_t rank = 0; rank < rows.size(); ++rank) {
    const Program& program = compute.programs[rank];
    rows[rank].resize(length, ".");
    if (placed[rank] < program.size()) rows[rank].emplace_back("!");
    for (std::size_t i = placed[rank]; i < program.size(); ++i)
      rows[rank].push_back(to_string(program[i]));
  }
  for (const Row& row : rows) length = std::max(length, row.size());
  for (Row& row : rows) row.resize(length, ".");
  return rows;
}

std::string right_aligned(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

}  // namespace

std::string table(const Plan& plan, std::size_t width) {
  const std::vector<Row> rows = rows_of(compute_only(plan));
  const std::size_t slots = rows.front().size();
  std::size_t cell = std::to_string(slots).size();
  for (const Row& row : rows)
    for (const std::string& text : row) cell = std::max(cell, text.size());
  const std::size_t label = std::string("rank ").size() + std::to_string(rows.size() - 1).size();
  const std::size_t room = width > label ? (width - label) / (cell + 1) : 0;
  const std::size_t block = width == 0 ? slots : std::max<std::size_t>(room, 1);

  std::string text;
  for (std::size_t begin = 0; begin < slots; begin += block) {
    const std::size_t end = std::min(begin + block, slots);
    text += (begin == 0 ? "" : "\n") + right_aligned("slot", label);
    for (std::size_t slot = begin; slot < end; ++slot)
      text += " " + right_aligned(std::to_string(slot), cell);
    text += "\n";
    for (std::size_t rank = 0; rank < rows.size(); ++rank) {
      text += "rank " + right_aligned(std::to_string(rank), label - 5);
      for (std::size_t slot = begin; slot < end; ++slot)
        text += " " + right_aligned(rows[rank][slot], cell);
      text += "\n";
    }
  }
  return text;
}

}  // namespace fg::schedule
