#include <gtest/gtest.h>

#include <fg/engine/pace.hpp>

namespace fg::engine {
namespace {

TEST(Pace, FindsTheRankThatTheOthersWaitFor) {
  EXPECT_EQ(find_straggler({1.0, 1.1, 1.52, 0.9}), 2u);
  EXPECT_EQ(find_straggler({2.0, 1.0}), 0u);
}

TEST(Pace, FindsNobodyWhereRanksAreAlikeOrStepsTooShortToTell) {
  EXPECT_EQ(find_straggler({}), std::nullopt);
  EXPECT_EQ(find_straggler({1.0}), std::nullopt);
  EXPECT_EQ(find_straggler({1.0, 1.24, 0.9}), std::nullopt);
  EXPECT_EQ(find_straggler({0.0002, 0.0009}), std::nullopt) << "noise";
}

TEST(Pace, NamesItWithItsMachine) {
  EXPECT_EQ(describe_straggler({1.0, 1.1, 1.52, 0.9}, 2, "h2"),
            "rank 2 (h2) computes 1.520 s a step, the median rank 1.000 s: the others wait for it");
}

}  // namespace
}  // namespace fg::engine
