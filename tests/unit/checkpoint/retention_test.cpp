#include <gtest/gtest.h>

#include <fg/checkpoint/retention.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

#include "small_checkpoint.hpp"

namespace fg::checkpoint {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TemporaryFolder;
using Steps = std::vector<std::uint64_t>;

Steps steps_in(const fs::path& checkpoints) {
  Steps steps;
  for (const Listed& listed : list_checkpoints(checkpoints)) steps.push_back(listed.step);
  return steps;
}

TEST(Retain, KeepsTheLastAndTheBest) {
  const TemporaryFolder folder;
  const double losses[] = {2.0, 1.0, 1.5, 1.75, 1.8};
  for (std::uint64_t n = 0; n < 5; ++n) make_checkpoint(folder.path(), 10 * (n + 1), losses[n]);
  const RetentionResult result = retain(folder.path(), 50, {2, 1});

  EXPECT_EQ(steps_in(folder.path()), (Steps{50, 40, 20}));
  EXPECT_EQ(result.deleted, (Steps{30, 10}));
  EXPECT_TRUE(result.notes.empty());
  ASSERT_TRUE(best_checkpoint(folder.path()).has_value());
  EXPECT_EQ(best_checkpoint(folder.path())->step, 20u);
  EXPECT_EQ(best_checkpoint(folder.path())->metric, 1.0);
}

TEST(Retain, KeepsTheNBestNotOnlyThoseThatBeatTheBest) {
  const TemporaryFolder folder;
  const double losses[] = {1.0, 3.0, 1.2, 3.0, 3.0, 1.1};
  for (std::uint64_t n = 0; n < 6; ++n) {
    make_checkpoint(folder.path(), n + 1, losses[n]);
    retain(folder.path(), n + 1, {2, 3});
  }
  EXPECT_EQ(steps_in(folder.path()), (Steps{6, 5, 3, 1}));
}

TEST(Retain, KeepsOnlyTheLastWithoutMetrics) {
  const TemporaryFolder folder;
  for (std::uint64_t step = 1; step <= 4; ++step) make_checkpoint(folder.path(), step);
  retain(folder.path(), 4, {3, 1});
  EXPECT_EQ(steps_in(folder.path()), (Steps{4, 3, 2}));
  EXPECT_FALSE(best_checkpoint(folder.path()).has_value());
}

TEST(Retain, DoesNotCountDamagedOnes) {
  const TemporaryFolder folder;
  for (std::uint64_t step = 1; step <= 5; ++step)
    make_checkpoint(folder.path(), step, step == 1 ? 0.5 : 0.6);
  for (const char* name : {"checkpoint-1", "checkpoint-2", "checkpoint-4"})
    fs::resize_file(folder.path() / name / "optim-r00000.h5", 10);
  retain(folder.path(), 5, {2, 1});
  // 4 is damaged but not older than the last two whole ones; 1 is not the best any more.
  EXPECT_EQ(steps_in(folder.path()), (Steps{5, 4, 3}));
}

TEST(Retain, NeverDeletesWhatWasJustSaved) {
  const TemporaryFolder folder;
  // The run went on from 70, because all from 80 on were damaged where sizes do not tell.
  for (const std::uint64_t step : {70, 75, 80, 90, 100}) make_checkpoint(folder.path(), step);
  retain(folder.path(), 75, {2, 0});
  EXPECT_EQ(steps_in(folder.path()), (Steps{100, 90, 80, 75, 70}));
}

TEST(Retain, RefusesToKeepFewerThanTwo) {
  const TemporaryFolder folder;
  expect_error(ExitCode::usage, "checkpoint.keep is 1", [&] { retain(folder.path(), 1, {1, 1}); });
}

TEST(Retain, LeavesOtherFoldersAlone) {
  const TemporaryFolder folder;
  for (std::uint64_t step = 1; step <= 3; ++step) make_checkpoint(folder.path(), step);
  for (const char* name : {"mine", "checkpoint-01", ".tmp-x"}) fs::create_directory(folder / name);
  retain(folder.path(), 3, {2, 0});
  for (const char* name : {"mine", "checkpoint-01", ".tmp-x"})
    EXPECT_TRUE(fs::exists(folder / name));
  EXPECT_EQ(steps_in(folder.path()), (Steps{3, 2}));
}

}  // namespace
}  // namespace fg::checkpoint
