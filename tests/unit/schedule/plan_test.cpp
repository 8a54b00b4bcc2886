#include <gtest/gtest.h>

#include <fg/schedule/plan.hpp>

#include "plans.hpp"

namespace {

using namespace fg::schedule;
using fg::test::compute_plan;
using fg::test::full_plan;

TEST(Action, IsReadAsItIsWritten) {
  for (const Action& action : {Action{Op::forward, 0, 0}, Action{Op::send_gradient, 12, 345},
                               Action{Op::reduce_gradients, 3}, Action{Op::update_tied, 0}})
    EXPECT_EQ(parse_action(to_string(action)), action) << to_string(action);
  EXPECT_EQ(to_string({Op::recv_activation, 3, 12}), "3RA12");
  EXPECT_EQ(to_string({Op::update, 3}), "3U");
}

TEST(Action, IsNotReadFromAnythingElse) {
  for (const char* text :
       {"", "2", "F0", "2F", "2F0 ", " 2F0", "2f0", "2Q0", "2F-1", "-1F0", "02F0", "2F00", "2R0",
        "2X1", "99999999999F0", "2F99999999999", "2FF0", "2F0F"})
    EXPECT_FALSE(parse_action(text)) << text;
}

TEST(Shape, GivesEveryActionAnIndexOfItsOwn) {
  const Plan plan = full_plan(Kind::zero_bubble_v, 3, 5);
  std::vector<bool> used(plan.shape.index_count());
  for (const Program& program : plan.programs)
    for (const Action& action : program) {
      const std::size_t index = plan.shape.index(action);
      ASSERT_LT(index, used.size()) << to_string(action);
      EXPECT_FALSE(used[index]) << to_string(action);
      used[index] = true;
    }
}

TEST(Shape, NamesWhatIsWrongWithItsNumbers) {
  const auto fault = [](int ranks, int stages, int microbatches, std::vector<int> places) {
    return find_shape_fault({ranks, stages, microbatches, std::move(places)}).value_or("none");
  };
  EXPECT_EQ(fault(2, 2, 4, {0, 1}), "none");
  EXPECT_NE(fault(0, 2, 4, {0, 1}).find("0 ranks"), std::string::npos);
  EXPECT_NE(fault(5000, 5000, 4, {}).find("5000 ranks; a plan has 1 to 4096"), std::string::npos);
  EXPECT_NE(fault(2, 2, 0, {0, 1}).find("0 microbatches"), std::string::npos);
  EXPECT_NE(fault(2, 1, 4, {0}).find("1 stages for 2 ranks"), std::string::npos);
  EXPECT_NE(fault(2, 2, 4, {0}).find("places for 1 stages"), std::string::npos);
  EXPECT_NE(fault(2, 2, 4, {0, 2}).find("stage 1 is placed on rank 2 of 2"), std::string::npos);
  EXPECT_NE(fault(2, 3, 4, {0, 0, 0}).find("rank 1 has no stage"), std::string::npos);
  EXPECT_NE(fault(2, 2, 1 << 30, {0, 1}).find("at most 1048576"), std::string::npos);
}

TEST(Prerequisites, CountMessagesOnlyWhereStagesLieApart) {
  Shape shape = compute_plan(Kind::zero_bubble_v, 2, 1).shape;  // ranks 0 1 1 0
  EXPECT_EQ(prerequisites(shape, {Op::forward, 1, 0})[0], (Action{Op::forward, 0, 0}));
  shape.transfers = true;
  EXPECT_EQ(prerequisites(shape, {Op::forward, 1, 0})[0], (Action{Op::recv_activation, 1, 0}));
  EXPECT_EQ(prerequisites(shape, {Op::forward, 2, 0})[0], (Action{Op::forward, 1, 0}));
  EXPECT_EQ(prerequisites(shape, {Op::backward_input, 1, 0})[1],
            (Action{Op::backward_input, 2, 0}));
}

TEST(Prerequisites, OfTheTiedUpdateAreBothEnds) {
  Shape shape = compute_plan(Kind::zero_bubble_v, 2, 3).shape;
  shape.tied = shape.updates = true;
  const std::vector<Action> expected = {{Op::backward_weight, 0, 2}, {Op::backward_weight, 3, 2}};
  EXPECT_EQ(prerequisites(shape, {Op::update_tied, 0}), expected);
}

// Ranks of different builds compare these: they may change only with the CSV's version.
TEST(Fingerprint, IsThatOfTheCsvText) {
  EXPECT_EQ(fingerprint(Plan{"none", {1, 1, 1, {0}}, {{}}, {1}}).size(), 16U);
  const Plan plan = full_plan(Kind::one_forward_one_backward, 2, 4);
  EXPECT_EQ(fingerprint(plan), fingerprint(full_plan(Kind::one_forward_one_backward, 2, 4)));
  Plan other = plan;
  std::swap(other.programs[0][0], other.programs[0][1]);
  EXPECT_NE(fingerprint(plan), fingerprint(other));
}

}  // namespace
