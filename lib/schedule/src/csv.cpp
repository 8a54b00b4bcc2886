#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/schedule/csv.hpp>

namespace fg::schedule {
namespace {

constexpr std::size_t max_bytes = std::size_t{64} << 20;
constexpr std::size_t max_name = 64;
constexpr std::array<std::pair<std::string_view, bool Shape::*>, 4> parts = {
    {{"transfers", &Shape::transfers},
     {"reductions", &Shape::reductions},
     {"tied", &Shape::tied},
     {"updates", &Shape::updates}}};

struct Cell {
  std::string_view text;
  std::size_t column = 1;  // in bytes, from 1
};

std::string quoted(std::string_view text) {
  std::string safe;
  for (const char c : text.substr(0, 40)) safe += c >= ' ' && c <= '~' ? c : '?';
  return "'" + safe + (text.size() > 40 ? "...'" : "'");
}

/// Goes through the lines of a text, cell by cell.
class Lines {
public:
  Lines(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  bool at_end() const { return rest_.empty(); }

  /// Goes to the next line; empty cells at its end are none.
  void next() {
    ++line_;
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    text_ = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    if (text_.ends_with('\r')) text_.remove_suffix(1);
    while (text_.ends_with(',')) text_.remove_suffix(1);
    begin_ = 0;
  }

  /// The next cell of the line, or nothing at its end.
  std::optional<Cell> take() {
    if (begin_ >= text_.size()) return {};
    const std::size_t comma = std::min(text_.find(',', begin_), text_.size());
    const Cell cell{text_.substr(begin_, comma - begin_), begin_ + 1};
    begin_ = comma + 1;
    return cell;
  }

  /// Goes to the next line, which must begin with this word.
  void expect(std::string_view word) {
    const bool ends = at_end();
    next();
    if (ends) refuse({}, "the text ends where a line '" + std::string(word) + "' belongs");
    const Cell cell = take().value_or(Cell{});
    if (cell.text != word)
      refuse(cell, "found " + quoted(cell.text) + " where '" + std::string(word) + "' belongs");
  }

  /// The one cell of the line that is left.
  Cell take_only(std::string_view what) {
    const std::optional<Cell> cell = take();
    if (!cell) refuse({}, std::string(what) + " is missing");
    if (const auto more = take()) refuse(*more, "a cell more than " + std::string(what));
    return *cell;
  }

  [[noreturn]] void refuse(const Cell& cell, const std::string& what) const {
    fail(ExitCode::data,
         name_ + ":" + std::to_string(line_) + ":" + std::to_string(cell.column) + ": " + what);
  }

  int number(const Cell& cell, std::int64_t least, std::int64_t most) const {
    std::int64_t value = 0;
    const char* const end = cell.text.data() + cell.text.size();
    const auto [stop, error] = std::from_chars(cell.text.data(), end, value);
    if (error != std::errc{} || stop != end || value < least || value > most)
      refuse(cell, quoted(cell.text) + " is not a number from " + std::to_string(least) + " to " +
                       std::to_string(most));
    return static_cast<int>(value);
  }

private:
  std::string_view rest_;
  std::string name_;
  std::string_view text_;  // of this line
  std::size_t begin_ = 0;  // of its next cell
  std::size_t line_ = 0;
};

std::string read_name(Lines& lines) {
  lines.expect("schedule");
  const Cell cell = lines.take_only("the schedule's name");
  const bool plain = std::ranges::all_of(cell.text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!plain || cell.text.empty() || cell.text.size() > max_name)
    lines.refuse(cell, quoted(cell.text) + " is not a name of a-z, 0-9 and '_', at most " +
                           std::to_string(max_name) + " long");
  return std::string(cell.text);
}

void read_placement(Lines& lines, Shape& shape) {
  lines.expect("rank_of_stage");
  while (const auto cell = lines.take()) {
    if (++shape.stages > max_cells) lines.refuse(*cell, "too many stages");
    shape.rank_of_stage.push_back(lines.number(*cell, 0, max_ranks - 1));
    shape.ranks = std::max(shape.ranks, shape.rank_of_stage.back() + 1);
  }
  if (const auto fault = find_shape_fault(shape)) lines.refuse({}, *fault);
}

std::vector<int> read_limits(Lines& lines, const Shape& shape) {
  lines.expect("live_limit");
  std::vector<int> limits;
  while (const auto cell = lines.take()) {
    limits.push_back(lines.number(*cell, 0, max_cells));
    if (limits.size() > static_cast<std::size_t>(shape.ranks))
      lines.refuse(*cell, "a limit more than the " + std::to_string(shape.ranks) + " ranks");
  }
  if (limits.size() != static_cast<std::size_t>(shape.ranks))
    lines.refuse({}, std::to_string(limits.size()) + " limits for " + std::to_string(shape.ranks) +
                         " ranks");
  return limits;
}

void read_parts(Lines& lines, Shape& shape) {
  lines.expect("parts");
  while (const auto cell = lines.take()) {
    const auto* const found =
        std::ranges::find(parts, cell->text, [](const auto& part) { return part.first; });
    if (found == parts.end())
      lines.refuse(*cell, quoted(cell->text) +
                              " is no part; there are transfers, reductions, tied and updates");
    if (shape.*(found->second)) lines.refuse(*cell, quoted(cell->text) + " is there twice");
    shape.*(found->second) = true;
  }
}

Program read_program(Lines& lines, const Shape& shape, int rank) {
  lines.expect("rank");
  const std::optional<Cell> number = lines.take();
  if (!number || lines.number(*number, 0, max_ranks) != rank)
    lines.refuse(number.value_or(Cell{}),
                 "the program of rank " + std::to_string(rank) + " belongs here");
  Program program;
  while (const auto cell = lines.take()) {
    const std::optional<Action> action = parse_action(cell->text);
    if (!action) lines.refuse(*cell, quoted(cell->text) + " is no action; '2F0' is one");
    if (action->stage >= shape.stages || action->microbatch >= shape.microbatches)
      lines.refuse(*cell, to_string(*action) + " is beyond " + std::to_string(shape.stages) +
                              " stages and " + std::to_string(shape.microbatches) +
                              " microbatches");
    program.push_back(*action);
  }
  return program;
}

void write_line(std::string& text, std::string_view word, const std::vector<int>& numbers) {
  text += word;
  for (const int number : numbers) text += "," + std::to_string(number);
  text += "\n";
}

}  // namespace

std::string to_csv(const Plan& plan) {
  const Shape& shape = plan.shape;
  std::string text = "fg-plan,1\nschedule," + plan.name + "\n";
  write_line(text, "microbatches", {shape.microbatches});
  write_line(text, "rank_of_stage", shape.rank_of_stage);
  write_line(text, "live_limit", plan.live_limit);
  text += "parts";
  for (const auto& [name, part] : parts)
    if (shape.*part) text += "," + std::string(name);
  text += "\n";
  for (std::size_t rank = 0; rank < plan.programs.size(); ++rank) {
    text += "rank," + std::to_string(rank);
    for (const Action& action : plan.programs[rank]) text += "," + to_string(action);
    text += "\n";
  }
  return text;
}

Plan from_csv(std::string_view text, const std::string& name) {
  if (text.size() > max_bytes)
    fail(ExitCode::data, name + ":1:1: " + std::to_string(text.size()) +
                             " bytes; a plan has at most " + std::to_string(max_bytes));
  Lines lines(text, name);
  lines.expect("fg-plan");
  lines.number(lines.take_only("the version"), 1, 1);
  Plan plan;
  plan.name = read_name(lines);
  lines.expect("microbatches");
  plan.shape.microbatches = lines.number(lines.take_only("their number"), 1, max_cells);
  read_placement(lines, plan.shape);
  plan.live_limit = read_limits(lines, plan.shape);
  read_parts(lines, plan.shape);
  for (int rank = 0; rank < plan.shape.ranks; ++rank)
    plan.programs.push_back(read_program(lines, plan.shape, rank));
  while (!lines.at_end()) {
    lines.next();
    if (const auto cell = lines.take()) lines.refuse(*cell, "a line behind the last rank's");
  }
  return plan;
}

}  // namespace fg::schedule
