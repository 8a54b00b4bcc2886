#include "nodes.hpp"

#include <gtest/gtest.h>

#include <fg/checkpoint/retention.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::checkpoint {
namespace {

namespace fs = std::filesystem;
using test::expect_error;

/// A run on two nodes, with some steps.
class OnTwoNodes : public testing::Test {
protected:
  void SetUp() override {
    if (SharedRun::ranks() == 1) GTEST_SKIP() << "[ranks] one rank is on one node";
    run_.stay_on(half_of(run_.rank(), run_.ranks()));
  }
  bool is_last() const { return run_.rank() + 1 == run_.ranks(); }

  NodeRun run_;
};

TEST_F(OnTwoNodes, AStepCountsOnlyWhereBothHaveCommittedIt) {
  for (const std::uint64_t step : {4, 5}) run_.save_step(step);
  run_.move(run_.piece(5, "b"), run_.home("b") / "lost");  // killed between the two commits
  const auto choice = run_.choose();
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->step, 4u);
  EXPECT_TRUE(choice->is_here);
  EXPECT_FALSE(choice->lender.has_value());
  run_.meet();
}

TEST_F(OnTwoNodes, NobodyCommitsUnlessAllHavePrepared) {
  run_.save_step(1);
  SaveRequest request = run_.request(2);
  if (run_.node() == "b") request.copies.push_back(run_.root() / "gone.json");
  const bool fails = leads_folder(run_.session(), true, run_.node()) && run_.node() == "b";
  expect_error(ExitCode::cannot_save, fails ? "gone.json" : "another rank failed",
               [&] { save(run_.session(), request); });
  run_.session().forget_failure();
  run_.meet();
  for (const char* node : {"a", "b"}) {
    EXPECT_FALSE(fs::exists(run_.piece(2, node))) << node;
    EXPECT_TRUE(fs::exists(run_.piece(1, node))) << node;
  }
  run_.meet();
}

TEST_F(OnTwoNodes, PiecesOfTwoSavesOfAStepAreRefusedByName) {
  for (const std::uint64_t step : {4, 5}) run_.save_step(step);
  run_.move(run_.piece(5, "a"), run_.home("a") / "first");
  run_.save_step(5);
  EXPECT_EQ(run_.choose()->step, 5u);
  run_.move(run_.piece(5, "a"), run_.home("a") / "second");
  run_.move(run_.home("a") / "first", run_.piece(5, "a"));
  EXPECT_EQ(run_.choose()->step, 4u);
  const std::vector<fs::path> pieces = {run_.piece(5, "a"), run_.piece(5, "b")};
  expect_error(ExitCode::cannot_load, "is of another save of step 5 than",
               [&] { Reader reader(pieces); });
  run_.meet();
  for (const char* node : {"a", "b"}) run_.move(run_.piece(4, node), run_.home(node) / "away");
  expect_error(ExitCode::cannot_load,
               run_.session().is_first() ? "are of two saves" : "another rank failed",
               [&] { run_.choose(); });
  run_.session().forget_failure();
  run_.meet();
}

TEST_F(OnTwoNodes, ADamagedPieceIsNamedAndAnOlderStepTaken) {
  for (const std::uint64_t step : {4, 5}) run_.save_step(step);
  run_.damage(run_.piece(5, "b") / "trainer.json");
  EXPECT_EQ(run_.choose()->step, 4u);
  run_.damage(run_.piece(4, "a") / "model-r00000.h5");
  expect_error(ExitCode::cannot_load,
               run_.session().is_first() ? "node b: " : "another rank failed",
               [&] { run_.choose(); });
  run_.session().forget_failure();
  run_.meet();
}

TEST_F(OnTwoNodes, ANewNodeMayJoinWithAnEmptyFolder) {
  run_.stay_on("old");
  run_.save_step(7);
  run_.stay_on(is_last() ? "new" : "old");
  const auto choice = run_.choose();
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->step, 7u);
  EXPECT_EQ(choice->is_here, !is_last());
  EXPECT_EQ(choice->lender, 0);
  Reader reader = open(run_.session(), *choice);
  EXPECT_EQ(reader.step(), 7u);
  EXPECT_EQ(reader.trainer().whole_number("tokens"), 7000u);
  EXPECT_EQ(reader.find(store::TensorUse::weights, "lm_head.weight")->shape[0], 11u);
  run_.meet();
  // And the other way round: what rank 0 lacks comes from a later one.
  run_.stay_on(is_last() ? "old" : "newer");
  const auto other = run_.choose();
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(other->lender, static_cast<int>(run_.ranks()) - 1);
  EXPECT_EQ(open(run_.session(), *other).world(), run_.ranks());
  run_.meet();
}

TEST_F(OnTwoNodes, APathMayBeOnOneNodeOnly) {
  run_.stay_on("old");
  run_.save_step(7);
  run_.move(run_.piece(7), run_.root() / "away");
  const ResumeRequest request{ResumeRequest::From::path,
                              is_last() ? run_.root() / "nowhere" : run_.root() / "away"};
  run_.stay_on(is_last() ? "new" : "old");
  const auto choice = choose(run_.session(), run_.home(), request, true, run_.node());
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->step, 7u);
  EXPECT_EQ(choice->is_here, !is_last());
  run_.meet();
}

TEST_F(OnTwoNodes, APieceAloneIsNoCheckpoint) {
  run_.save_step(3);
  const auto alone = [&] { choose(run_.session(), run_.home("a"), {}); };
  expect_error(ExitCode::cannot_load,
               run_.session().is_first() ? "the pieces of the other nodes are needed too"
                                         : "another rank failed",
               alone);
  run_.session().forget_failure();
  run_.meet();
}

TEST_F(OnTwoNodes, RetentionCountsOnlyStepsThatAreWholeTogether) {
  const auto retain = [&](std::uint64_t step) {
    run_.save_step(step);
    const auto result = retain_on_each_node(run_.session(), checkpoints_in(run_.home()), step,
                                            {.keep = 2, .keep_best = 0}, run_.node());
    EXPECT_TRUE(result.notes.empty());
    run_.meet();
  };
  retain(10);
  retain(20);
  run_.save_step(25);
  run_.move(run_.piece(25, "b"), run_.home("b") / "lost");  // committed on one node alone
  retain(30);
  const auto has = [&](std::uint64_t step, const std::string& node) {
    return fs::exists(run_.piece(step, node));
  };
  for (const char* node : {"a", "b"}) {
    EXPECT_FALSE(has(10, node)) << node;
    EXPECT_TRUE(has(20, node)) << node;
    EXPECT_TRUE(has(30, node)) << node;
  }
  run_.meet();
  retain(40);
  EXPECT_FALSE(has(25, "a"));
  EXPECT_FALSE(has(20, "a"));
  EXPECT_TRUE(has(30, "b"));
  run_.meet();
}

}  // namespace
}  // namespace fg::checkpoint
