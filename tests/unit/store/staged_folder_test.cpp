#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/store/manifest.hpp>
#include <fg/store/staged_folder.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

namespace fg::store {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TemporaryFolder;

void fill(const fs::path& folder, const std::string& word) {
  write_synced(folder / "model.bin", word);
  write_synced(folder / "config.json", "{}");
  write_manifest(folder);
}

void stage(const fs::path& target, const std::string& word, Overwrite overwrite = Overwrite::yes) {
  StagedFolder folder(target, overwrite);
  fill(folder.path(), word);
  folder.commit();
}

std::string word_of(const fs::path& target) {
  verify_manifest(target);
  return read_text(target / "model.bin", 100);
}

std::size_t entries_of(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(StagedFolder, AppearsWholeAtCommit) {
  const TemporaryFolder folder;
  const fs::path target = folder / "model";
  {
    StagedFolder staged(target);
    EXPECT_EQ(staged.path().parent_path(), folder.path());
    fill(staged.path(), "new");
    EXPECT_FALSE(fs::exists(target));
    staged.commit();
    EXPECT_EQ(word_of(target), "new");
  }
  EXPECT_EQ(word_of(target), "new");
  EXPECT_EQ(entries_of(folder.path()), 1u) << "no lock, no left-over";
}

TEST(StagedFolder, LeavesNothingWithoutACommit) {
  const TemporaryFolder folder;
  {
    StagedFolder staged(folder / "model");
    fill(staged.path(), "new");
  }
  EXPECT_EQ(entries_of(folder.path()), 0u);
}

TEST(StagedFolder, TakesTheOldOnesPlaceOnlyWhenAllowed) {
  const TemporaryFolder folder;
  const fs::path target = folder / "model";
  stage(target, "old");

  expect_error(ExitCode::cannot_save, "exists; remove it",
               [&] { stage(target, "new", Overwrite::no); });
  EXPECT_EQ(word_of(target), "old");
  stage(target, "new");
  EXPECT_EQ(word_of(target), "new");
  EXPECT_EQ(entries_of(folder.path()), 1u);
}

TEST(StagedFolder, KeepsTheOldOneWithoutACommit) {
  const TemporaryFolder folder;
  stage(folder / "model", "old");
  { StagedFolder staged(folder / "model", Overwrite::yes); }

  EXPECT_EQ(word_of(folder / "model"), "old");
}

TEST(StagedFolder, RefusesTargetsItCannotOrShouldNotReplace) {
  const TemporaryFolder folder;
  stage(folder / "model", "old");
  const auto refused = [&](const fs::path& target, const std::string& part) {
    expect_error(ExitCode::cannot_save, part, [&] { StagedFolder(target, Overwrite::yes); });
  };
  fs::create_directory_symlink(folder / "model", folder / "link");
  refused(folder / "link", "is a symbolic link");
  refused(folder / "link/", "is a symbolic link");
  fs::create_symlink("nowhere", folder / "dangling");
  refused(folder / "dangling", "is a symbolic link");
  write_synced(folder / "file", "x");
  refused(folder / "file", "exists and is no folder");
  refused(folder / "no/model", "does not exist; make it first");
  refused(folder / "file/model", "does not exist; make it first");
  refused("/", "is no folder that could be made");
  fs::create_directories(folder / "model/checkpoints");
  refused(folder / "model", "holds the folder checkpoints");
  EXPECT_TRUE(fs::exists(folder / "model/checkpoints"));
  EXPECT_EQ(entries_of(folder.path()), 4u) << "no lock, no left-over";
}

TEST(StagedFolder, UnderstandsTrailingSlashesAndLinkedParents) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "real");
  fs::create_directory_symlink(folder / "real", folder / "link");
  stage(folder / "link/model/", "new");

  EXPECT_EQ(word_of(folder / "real/model"), "new");
}

TEST(StagedFolder, RefusesATargetThatAppearedMeanwhile) {
  const TemporaryFolder folder;
  StagedFolder staged(folder / "model");
  fs::create_directory(folder / "model");

  expect_error(ExitCode::cannot_save, "exists", [&] { staged.commit(); });
}

TEST(StagedFolder, RefusesATargetThatIsBeingWritten) {
  const TemporaryFolder folder;
  StagedFolder first(folder / "model");
  expect_error(ExitCode::cannot_save, "is being written by another run",
               [&] { StagedFolder second(folder / "model"); });
  { const StagedFolder other(folder / "other"); }
  fill(first.path(), "new");
  first.commit();

  EXPECT_EQ(word_of(folder / "model"), "new");
}

TEST(StagedFolder, RemovesOnlyItsOwnLeftOvers) {
  const TemporaryFolder folder;
  for (const char* name : {"model.tmp-0123456789abcdef", "model.old-0123456789abcdef"})
    fs::create_directories(folder / name / "sub");
  for (const char* kept : {"model.tmp-backup", "model.tmp-0123456789ABCDEF", "models",
                           "other.tmp-0123456789abcdef", "model.tmp-0123456789abcdef0"})
    fs::create_directory(folder / kept);
  write_synced(folder / "model.tmp-1123456789abcdef", "a file");
  fs::create_directory(folder / "model");
  stage(folder / "model", "new");

  EXPECT_EQ(entries_of(folder.path()), 7u);
}

TEST(StagedFolder, PutsAnOldTargetBackThatWasMovedAside) {
  const TemporaryFolder folder;
  stage(folder / "model", "old");
  fs::rename(folder / "model", folder / "model.old-0123456789abcdef");
  expect_error(ExitCode::cannot_save, "exists", [&] { StagedFolder(folder / "model"); });

  EXPECT_EQ(word_of(folder / "model"), "old");
  EXPECT_EQ(entries_of(folder.path()), 1u);
}

/// Not a test of its own: the process that KilledAtAnyFailpoint kills.
TEST(StagedFolderChild, DISABLED_Stages) {
  stage(std::getenv("FG_TEST_TARGET"), "new");
}

/// Runs the test above in a process of its own that dies at this failpoint.
int run_child(const fs::path& target, const std::string& failpoint) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("FG_TEST_TARGET", target.c_str(), 1);
    ::setenv("FG_FAIL", (failpoint + ":kill").c_str(), 1);
    ::execl("/proc/self/exe", "child", "--gtest_filter=StagedFolderChild.*",
            "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

struct Kill {
  const char* failpoint;
  bool committed;
};

TEST(StagedFolder, IsWholeOrAbsentWhenKilledAtAnyFailpoint) {
  if (!failpoints_built) GTEST_SKIP() << "[failpoints] built without failpoints";
  for (const auto& [failpoint, committed] :
       {Kill{"stage.before_make", false}, Kill{"stage.after_make", false},
        Kill{"file.write", false}, Kill{"file.sync", false}, Kill{"manifest.before_rename", false},
        Kill{"stage.before_sync", false}, Kill{"stage.before_rename", false},
        Kill{"stage.after_rename", true}, Kill{"stage.before_removal", true}})
    for (const bool overwriting : {false, true}) {
      SCOPED_TRACE(std::string(failpoint) + (overwriting ? " over an old target" : ""));
      const TemporaryFolder folder;
      const fs::path target = folder / "model";
      if (overwriting) stage(target, "old");

      ASSERT_EQ(run_child(target, failpoint), -SIGKILL);

      ASSERT_EQ(fs::exists(target), overwriting || committed);
      if (fs::exists(target)) {
        EXPECT_EQ(word_of(target), committed ? "new" : "old");
      }
      stage(target, "next");
      EXPECT_EQ(word_of(target), "next");
      EXPECT_EQ(entries_of(folder.path()), 1u);
    }
}

TEST(RequireSpace, SaysBothNumbers) {
  const TemporaryFolder folder;
  require_space(folder.path(), 1000);
  expect_error(ExitCode::cannot_save, "(1024.00 TiB and a tenth), has ",
               [&] { require_space(folder.path(), std::uint64_t{1} << 50); });
}

TEST(RefuseSameFolder, FindsEqualAndNestedFolders) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "a");
  fs::create_directory(folder / "ab");
  fs::create_directory_symlink(folder / "a", folder / "link");
  const auto refused = [&](const std::string& from, const std::string& to,
                           const std::string& part) {
    expect_error(ExitCode::usage, part, [&] { refuse_same_folder(folder / from, folder / to); });
  };
  refused("a", "a", "are the same folder");
  refused("a", "a/", "are the same folder");
  refused("a", "ab/../a", "are the same folder");
  refused("a", "link", "are the same folder");
  refused("a", "a/new", "the target lies inside the source");
  refused("a", "link/new/deeper", "the target lies inside the source");
  refused("a/b", "a", "the source lies inside the target");

  refuse_same_folder(folder / "a", folder / "ab");
  refuse_same_folder(folder / "ab", folder / "a");
  refuse_same_folder(folder / "a", folder / "new");
}

}  // namespace
}  // namespace fg::store
