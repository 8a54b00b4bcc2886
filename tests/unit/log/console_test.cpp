#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <fg/log/console.hpp>

namespace fg::log {
namespace {

using Lines = std::vector<std::string>;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

TrainRecord record_of(std::int64_t step) {
  return {.step = step,
          .epoch = 0.12345,
          .loss = 1.23456789,
          .grad_norm = 0.98765,
          .lr = 1.5e-5,
          .tokens = 0,
          .trained_tokens = 0,
          .tokens_per_second = 12844.4,
          .mfu = 0.3614,
          .memory_gib = {13.19, 21.95},
          .data_wait_s = 0};
}

TEST(FormatCount, KeepsThreeDigits) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1.00 k");
  EXPECT_EQ(format_count(12844), "12.8 k");
  EXPECT_EQ(format_count(999499), "999 k");
  EXPECT_EQ(format_count(999500), "1.00 M");
  EXPECT_EQ(format_count(9996000), "10.0 M");
  EXPECT_EQ(format_count(6738415616), "6.74 B");
  EXPECT_EQ(format_count(5e15), "5000 T");
  EXPECT_EQ(format_count(nan), "nan");
  EXPECT_EQ(format_count(-infinity), "-inf");
}

TEST(FormatDuration, NamesTwoUnits) {
  EXPECT_EQ(format_duration(0.4), "0 s");
  EXPECT_EQ(format_duration(59.4), "59 s");
  EXPECT_EQ(format_duration(59.6), "1 min 00 s");
  EXPECT_EQ(format_duration(185), "3 min 05 s");
  EXPECT_EQ(format_duration(7620), "2 h 07 min");
  EXPECT_EQ(format_duration(86400 * 3 + 3600 * 14), "3 d 14 h");
  EXPECT_EQ(format_duration(-1), "?");
  EXPECT_EQ(format_duration(nan), "?");
  EXPECT_EQ(format_duration(infinity), "?");
}

TEST(FormatFixed, SaysWhatIsNotFinite) {
  EXPECT_EQ(format_fixed(1.23456789, 5), "1.23457");
  EXPECT_EQ(format_fixed(nan, 5), "nan");
  EXPECT_EQ(format_fixed(infinity, 5), "inf");
  EXPECT_EQ(format_fixed(1e300, 4), "1.0000e+300");
}

TEST(SecondsLeft, ProjectsThisRunsSpeed) {
  EXPECT_EQ(seconds_left(0, 0, 10), std::nullopt);
  EXPECT_EQ(seconds_left(4, 2, 10), 5.0);
  EXPECT_EQ(seconds_left(4, 2, -1), 0.0);
}

TEST(TrainTable, AlignsTheColumns) {
  TrainTable table;

  EXPECT_EQ(table.lines(record_of(1200), 7620),
            (Lines{"     step    epoch       loss  grad norm         lr      tok/s     MFU      "
                   "memory           ETA",
                   "    1,200    0.123    1.23457     0.9877   1.50e-05     12,844   36.1%   "
                   "21.95 GiB    2 h 07 min"}));
}

TEST(TrainTable, LeavesOutColumnsThatAreNotKnown) {
  TrainTable table;
  TrainRecord record = record_of(1);
  record.grad_norm.reset();
  record.mfu.reset();
  record.memory_gib.clear();

  EXPECT_EQ(table.lines(record, std::nullopt),
            (Lines{"     step    epoch       loss         lr      tok/s",
                   "        1    0.123    1.23457   1.50e-05     12,844"}));
}

TEST(TrainTable, NamesTheColumnsEveryTwentyRowsAndWhenTheyChange) {
  TrainTable table;
  std::vector<int> named;
  for (int step = 0; step < 41; ++step)
    if (table.lines(record_of(step), 1).size() == 2) named.push_back(step);

  EXPECT_EQ(named, (std::vector<int>{0, 20, 40}));
  EXPECT_EQ(table.lines(record_of(41), std::nullopt).size(), 2U);  // no ETA any more
  EXPECT_EQ(table.lines(record_of(42), std::nullopt).size(), 1U);
}

TEST(TrainTable, KeepsItsWidthWhereNumbersAreNotFinite) {
  TrainTable table;
  TrainRecord record = record_of(1);
  record.loss = nan;
  record.grad_norm = infinity;
  record.lr = nan;
  record.tokens_per_second = nan;
  record.memory_gib = {1e12};

  const Lines lines = table.lines(record, nan);

  EXPECT_EQ(lines.at(1),
            "        1    0.123        nan        inf        nan        nan   36.1%  1.00e+12 GiB"
            "             ?");
}

TEST(FormatEvaluation, IsOneLine) {
  EXPECT_EQ(
      format_evaluation(
          {.step = 1200, .eval_loss = 1.234564, .eval_perplexity = 3.43688, .eval_tokens = 51200}),
      "evaluation at step 1,200: loss 1.23456, perplexity 3.4369, 51,200 tokens");
}

TEST(FormatBlock, PutsTheValuesInOneColumn) {
  EXPECT_EQ(format_block("Run", {{"model", "llama"}, {"parameters", "6.74 B"}, {"plan", "a\nb"}}),
            (Lines{"Run", "  model:       llama", "  parameters:  6.74 B", "  plan:        a",
                   "               b"}));
  EXPECT_EQ(format_block("Done", {}), Lines{"Done"});
}

}  // namespace
}  // namespace fg::log
