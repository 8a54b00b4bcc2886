#include <gtest/gtest.h>

#include <fg/base/file.hpp>
#include <fg/log/log.hpp>
#include <fg/log/progress.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

namespace fg::log {
namespace {

TEST(Log, WritesLinesFromItsLevelUpIntoTheFile) {
  const test::TemporaryFolder folder;
  start({.level = Level::info, .file = folder / "run.log"});
  debug("not shown");
  info("hello {} %s");  // braces and percent signs are text, never a format
  start({});

  const std::string text = read_text(folder / "run.log", 10000);
  EXPECT_NE(text.find("info: hello {} %s\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("not shown"), std::string::npos) << text;
}

TEST(Log, NamesTheRankAndKeepsOtherRanksQuiet) {
  const test::TemporaryFolder folder;
  start({.level = Level::debug, .file = folder / "run.log", .rank = 2, .ranks = 4});
  info("quiet");
  warning("loud");
  start({});

  const std::string text = read_text(folder / "run.log", 10000);
  EXPECT_NE(text.find("[rank 2] warning: loud\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("quiet"), std::string::npos) << text;
}

TEST(Log, RefusesAFileItCannotOpen) {
  test::expect_error(ExitCode::cannot_save, "cannot open the log file",
                     [] { start({.file = "/proc/no/such/folder/run.log"}); });
}

TEST(Log, ReadsLevelsByName) {
  EXPECT_EQ(parse_level("warn"), Level::warning);
  EXPECT_EQ(parse_level("off"), Level::off);
  EXPECT_EQ(parse_level("loud"), std::nullopt);
}

TEST(Progress, SaysHowFarItIs) {
  Progress progress("writing", 4096);
  progress.advance(1024);

  EXPECT_TRUE(progress.line().starts_with("writing 1.00 KiB of 4.00 KiB (25 %), "))
      << progress.line();
}

TEST(Progress, CountsAnEmptyJobAsDone) {
  EXPECT_NE(Progress("writing", 0).line().find("(100 %)"), std::string::npos);
}

}  // namespace
}  // namespace fg::log
