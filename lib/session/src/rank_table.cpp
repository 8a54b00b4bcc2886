#include "fg/session/rank_table.hpp"

#include <algorithm>

#include <fg/base/error.hpp>

#include "packed_texts.hpp"

namespace fg::session {
namespace {

constexpr std::size_t most_single_rows = 16;

using Row = std::vector<std::string>;

std::string join(const Row& row, const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t c = 0; c < row.size(); ++c) {
    line += (c == 0 ? "" : "  ") + row[c];
    if (c + 1 < row.size()) line.append(widths[c] - row[c].size(), ' ');
  }
  return line;
}

}  // namespace

std::vector<std::string> format_rank_table(const std::vector<std::string>& host_of_rank,
                                           const std::vector<std::string>& columns,
                                           const std::vector<Row>& rows) {
  FG_CHECK(host_of_rank.size() == rows.size());
  std::vector<Row> table = {{"rank", "host"}};
  table[0].insert(table[0].end(), columns.begin(), columns.end());
  for (std::size_t first = 0, end = 0; first < rows.size(); first = end) {
    FG_CHECK(rows[first].size() == columns.size());
    end = first + 1;
    while (rows.size() > most_single_rows && end < rows.size() && rows[end] == rows[first] &&
           host_of_rank[end] == host_of_rank[first])
      ++end;
    std::string name = std::to_string(first);
    if (end > first + 1) name += "-" + std::to_string(end - 1);
    Row& row = table.emplace_back(Row{name, host_of_rank[first]});
    row.insert(row.end(), rows[first].begin(), rows[first].end());
  }
  std::vector<std::size_t> widths(table[0].size(), 0);
  for (const Row& row : table)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::vector<std::string> lines;
  for (const Row& row : table) lines.push_back(join(row, widths));
  return lines;
}

std::vector<std::string> rank_table(
    Session& session, const Placement& placement,
    const std::vector<std::pair<std::string, std::string>>& columns) {
  Row names, mine;
  for (const auto& [name, value] : columns) {
    names.push_back(name);
    mine.push_back(value);
  }
  std::vector<Row> rows;
  for (const std::string& each : session.gather(pack(mine))) rows.push_back(unpack(each));
  if (!session.is_first()) return {};
  return format_rank_table(placement.host_of_rank, names, rows);
}

}  // namespace fg::session
