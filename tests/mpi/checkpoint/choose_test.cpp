#include <gtest/gtest.h>

#include <fg/checkpoint/choose.hpp>
#include <fg/test/expect_error.hpp>

#include "sample.hpp"

namespace fg::checkpoint {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using From = ResumeRequest::From;

template <typename Action>
void expect_refusal(ExitCode code, const std::string& part, Action&& action) {
  expect_error(code, SharedRun::session().is_first() ? part : "another rank failed", action);
  SharedRun::session().forget_failure();
  SharedRun::meet();
}

TEST(ResumeRequest, UnderstandsItsWords) {
  EXPECT_EQ(ResumeRequest::parse("latest").from, From::latest);
  EXPECT_EQ(ResumeRequest::parse("").from, From::latest);
  EXPECT_EQ(ResumeRequest::parse("none").from, From::none);
  EXPECT_EQ(ResumeRequest::parse("a/none").from, From::path);
  EXPECT_EQ(ResumeRequest::parse("a/none").path, "a/none");
}

TEST(Choose, BeginsAnewInAnUnusedFolder) {
  const SharedRun run;
  EXPECT_FALSE(choose(run.session(), run.root(), {}).has_value());
  EXPECT_FALSE(choose(run.session(), run.root(), {From::none, {}}).has_value());
  EXPECT_FALSE(choose(run.session(), run.root() / "not/yet", {}).has_value());
}

TEST(Choose, TakesTheHighestStepWhateverTheTimes) {
  const SharedRun run;
  for (const std::uint64_t step : {100, 20, 9}) run.save_step(step);  // 9 is the newest
  const auto choice = choose(run.session(), run.root(), {});

  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->step, 100u);
  EXPECT_EQ(choice->folder, run.folder(100));
  Reader reader(*choice);
  const State state(100);
  for (const Sample& tensor : state.weights)
    EXPECT_EQ(read_whole(reader, store::TensorUse::weights, tensor), tensor.bytes);
  run.meet();
}

TEST(Choose, PassesOverWhatDoesNotVerify) {
  const SharedRun run;
  for (const std::uint64_t step : {10, 20, 30, 40}) run.save_step(step);
  run.damage(run.folder(40) / "model-r00000.h5");
  run.damage(run.folder(30) / "manifest.json");
  if (run.session().is_first()) {
    fs::create_directory(run.folder(50));  // as another tool's half save
    fs::create_directory(run.checkpoints() / "checkpoint-060");
    fs::create_directory(run.checkpoints() / ".tmp-99999999");
    fs::create_directory(run.checkpoints() / "checkpoint-70.tmp");
    fs::create_directory(run.checkpoints() / "checkpoint-");
  }
  run.meet();
  EXPECT_EQ(choose(run.session(), run.root(), {})->step, 20u);
  run.meet();
}

TEST(Choose, RefusesACopyOfAnotherStep) {
  const SharedRun run;
  run.save_step(10);
  if (run.session().is_first()) fs::copy(run.folder(10), run.folder(90));
  run.meet();
  EXPECT_EQ(choose(run.session(), run.root(), {})->step, 10u);
  run.meet();
}

TEST(Choose, NeverBeginsAnewWhereCheckpointsAreDamaged) {
  const SharedRun run;
  run.save_step(10);
  run.damage(run.folder(10) / "trainer.json");
  expect_refusal(ExitCode::cannot_load, "none of the checkpoints is whole; of the newest: ", [&] {
    choose(run.session(), run.root(), {});
  });
}

TEST(Choose, RefusesNoneInAUsedFolder) {
  const SharedRun run;
  run.save_step(10);
  expect_refusal(ExitCode::usage, "holds checkpoint-10", [&] {
    choose(run.session(), run.root(), {From::none, {}});
  });
}

TEST(Choose, TakesAPathOnlyWhileTheRunHasNoneOfItsOwn) {
  const SharedRun other;
  const fs::path path = other.save_step(77);
  const SharedRun run;
  const auto first = choose(run.session(), run.root(), {From::path, path});
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->folder, path);
  EXPECT_EQ(first->step, 77u);
  run.meet();

  run.save_step(5);
  EXPECT_EQ(choose(run.session(), run.root(), {From::path, path})->step, 5u);
  run.meet();
}

TEST(Choose, RefusesAPathThatIsNotThereOrNotWhole) {
  const SharedRun other;
  const fs::path path = other.save_step(77);
  const SharedRun run;
  // Every rank looks, and every rank says so.
  for (const auto& [wrong, part] :
       {std::pair(other.root() / "nowhere", "does not exist"),
        std::pair(other.root(), "name one of its checkpoints"),
        std::pair(other.root() / "config.json", "no checkpoint folder")}) {
    expect_error(ExitCode::cannot_load, part, [&] {
      choose(run.session(), run.root(), {From::path, wrong});
    });
    run.session().forget_failure();
  }
  other.damage(path / "optim-r00000.h5");
  expect_refusal(ExitCode::cannot_load, "optim-r00000.h5", [&] {
    choose(run.session(), run.root(), {From::path, path});
  });
}

}  // namespace
}  // namespace fg::checkpoint
