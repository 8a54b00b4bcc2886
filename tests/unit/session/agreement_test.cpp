#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <fg/session/agreement.hpp>

namespace fg::session {
namespace {

using Facts = std::vector<std::vector<Fact>>;

TEST(Agreement, SaysNothingWhereAllAreEqual) {
  EXPECT_EQ(describe_differences(Facts(3, {{"fg", "0.1"}, {"torch", "2.11"}}), {"a", "a", "b"}),
            "");
}

TEST(Agreement, NamesEveryDifferenceWithRanksAndHosts) {
  const Facts facts = {{{"fg", "0.1"}, {"torch", "2.11"}, {"nccl", "2.28"}},
                       {{"fg", "0.1"}, {"torch", "2.10"}, {"nccl", "2.28"}},
                       {{"fg", "0.2"}, {"torch", "2.11"}, {"nccl", "2.28"}},
                       {{"fg", "0.1"}, {"torch", "2.10"}, {"nccl", "2.28"}}};

  EXPECT_EQ(describe_differences(facts, {"h1", "h2", "h3", "h2"}),
            "  fg: rank 0 (h1) has 0.1; rank 2 (h3) has 0.2\n"
            "  torch: rank 0 (h1) has 2.11; ranks 1, 3 (h2) have 2.10");
}

TEST(Agreement, SeesAFactThatARankLacks) {
  EXPECT_EQ(describe_differences({{{"a", "1"}}, {{"b", "1"}}}, {"h1", "h2"}),
            "  a: rank 0 (h1) has 1; rank 1 (h2) has none\n"
            "  b: rank 0 (h1) has none; rank 1 (h2) has 1");
}

TEST(Agreement, ShortensHashesUnlessThatHidesTheDifference) {
  const std::string one = "0123456789abcdef0123456789abcdef";
  const std::string other = "f123456789abcdef0123456789abcdef";
  const std::string near = "0123456789abcdef0123456789abcdee";

  EXPECT_EQ(describe_differences({{{"data", one}}, {{"data", other}}}, {"a", "b"}),
            "  data: rank 0 (a) has 0123456789abcdef…; rank 1 (b) has f123456789abcdef…");
  EXPECT_EQ(describe_differences({{{"data", one}}, {{"data", near}}}, {"a", "b"}),
            "  data: rank 0 (a) has " + one + "; rank 1 (b) has " + near);
}

TEST(DescribeRanks, FoldsNeighbours) {
  EXPECT_EQ(describe_ranks({3}), "rank 3");
  EXPECT_EQ(describe_ranks({0, 1, 3, 4, 5, 6}), "ranks 0, 1, 3-6");
  EXPECT_EQ(describe_ranks({0, 1, 2}, {"a", "b", "a"}), "ranks 0, 2 (a), rank 1 (b)");
}

}  // namespace
}  // namespace fg::session
