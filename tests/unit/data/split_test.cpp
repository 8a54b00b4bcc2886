#include <gtest/gtest.h>

#include <fg/data/split.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::data {
namespace {

std::pair<std::size_t, std::size_t> range(const std::string& text, std::size_t records) {
  const Split::Range range = Split::parse(text).of(records, "x");
  return {range.begin, range.end};
}

using Pair = std::pair<std::size_t, std::size_t>;

TEST(Split, TakesRecordsAndPerCent) {
  EXPECT_EQ(range("", 7), Pair(0, 7));
  EXPECT_EQ(range("train", 7), Pair(0, 7));
  EXPECT_EQ(range("train[:95%]", 200), Pair(0, 190));
  EXPECT_EQ(range("train[95%:]", 200), Pair(190, 200));
  EXPECT_EQ(range("[10:200]", 300), Pair(10, 200));
  EXPECT_EQ(range("x[-3:]", 10), Pair(7, 10));
  EXPECT_EQ(range("x[-10%:-5%]", 100), Pair(90, 95));
  EXPECT_EQ(range("[:]", 0), Pair(0, 0));
  EXPECT_EQ(range("[12.5%:50%]", 1000), Pair(125, 500));
  EXPECT_EQ(Split::parse("held_out[:5]").name(), "held_out");
}

TEST(Split, DividesWithoutLossOrOverlap) {
  for (std::size_t records = 0; records < 60; ++records)
    for (int cut = 0; cut <= 100; ++cut) {
      const std::string at = std::to_string(cut) + "%";
      EXPECT_EQ(range("[:" + at + "]", records).second, range("[" + at + ":]", records).first);
    }
}

TEST(Split, RoundsHalfToEvenAsTheDatasetsPackage) {
  EXPECT_EQ(range("[:50%]", 5), Pair(0, 2));
  EXPECT_EQ(range("[:50%]", 7), Pair(0, 4));
}

TEST(Split, RefusesWhatIsNoSplit) {
  for (const char* text : {"train[", "train[5]", "train[1:2", "[a:b]", "[:101%]", "[1.5:]", "a]",
                           "[1:2:3]", "[:1e400%]", "[nan%:]", "[: 5]"})
    test::expect_error(ExitCode::usage, text, [&] { Split::parse(text); });
}

TEST(Split, RefusesBoundsThatTheDataDoesNotHave) {
  test::expect_error(ExitCode::data, "f.json: split '[:200]' reaches outside its 100 records",
                     [] { Split::parse("[:200]").of(100, "f.json"); });
  test::expect_error(ExitCode::data, "reaches outside",
                     [] { Split::parse("[-101:]").of(100, "f.json"); });
  test::expect_error(ExitCode::data, "ends before it",
                     [] { Split::parse("[60:50]").of(100, "f.json"); });
}

}  // namespace
}  // namespace fg::data
