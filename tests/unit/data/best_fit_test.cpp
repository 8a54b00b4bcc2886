#include "best_fit.hpp"

#include <random>

#include <gtest/gtest.h>

namespace fg::data {
namespace {

/// The obvious way: looks at every row each time; of equal ones the last changed.
std::vector<std::uint32_t> slow_best_fit(const std::vector<std::uint32_t>& lengths,
                                         std::size_t seq_len) {
  struct Row {
    std::size_t room;
    std::size_t changed;
  };
  std::vector<Row> rows;
  std::vector<std::uint32_t> row_of;
  for (std::size_t index = 0; index < lengths.size(); ++index) {
    std::size_t best = rows.size();
    for (std::size_t row = 0; row < rows.size(); ++row) {
      if (rows[row].room < lengths[index]) continue;
      const bool better =
          best == rows.size() || rows[row].room < rows[best].room ||
          (rows[row].room == rows[best].room && rows[row].changed > rows[best].changed);
      if (better) best = row;
    }
    if (best == rows.size()) rows.push_back({seq_len, 0});
    rows[best] = {rows[best].room - lengths[index], index};
    row_of.push_back(static_cast<std::uint32_t>(best));
  }
  return row_of;
}

TEST(BestFit, DoesWhatTheSlowSearchDoes) {
  std::mt19937 random(3);
  for (const std::size_t seq_len : {1, 2, 63, 64, 65, 300, 4096, 300'000}) {
    std::vector<std::uint32_t> lengths(400);
    for (std::uint32_t& length : lengths)
      length = static_cast<std::uint32_t>(1 + random() % seq_len);
    EXPECT_EQ(best_fit(lengths, seq_len), slow_best_fit(lengths, seq_len)) << seq_len;
  }
}

TEST(BestFit, FillsTheFullestRowThatTakesIt) {
  EXPECT_EQ(best_fit(std::vector<std::uint32_t>{7, 6, 4, 3, 10}, 10),
            (std::vector<std::uint32_t>{0, 1, 1, 0, 2}));
  EXPECT_TRUE(best_fit({}, 10).empty());
}

}  // namespace
}  // namespace fg::data
