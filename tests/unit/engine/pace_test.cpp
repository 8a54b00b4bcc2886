#include <gtest/gtest.h>

#include <fg/engine/pace.hpp>

namespace fg::engine {
namespace {

TEST(Pace, NamesTheRankThatTheOthersWaitFor) {
  EXPECT_EQ(describe_straggler({1.0, 1.1, 1.52, 0.9}),
            "rank 2 computes 1.520 s a step, the median rank 1.000 s: the others wait for it");
  EXPECT_EQ(describe_straggler({2.0, 1.0}),
            "rank 0 computes 2.000 s a step, the median rank 1.000 s: the others wait for it");
}

TEST(Pace, IsSilentWhereRanksAreAlikeOrStepsTooShortToTell) {
  EXPECT_EQ(describe_straggler({}), "");
  EXPECT_EQ(describe_straggler({1.0}), "");
  EXPECT_EQ(describe_straggler({1.0, 1.24, 0.9}), "");
  EXPECT_EQ(describe_straggler({0.0002, 0.0009}), "") << "noise";
}

}  // namespace
}  // namespace fg::engine
