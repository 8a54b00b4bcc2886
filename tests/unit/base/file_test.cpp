#include <gtest/gtest.h>

#include <fg/base/file.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

namespace fg {
namespace {

using test::expect_error;
using test::TemporaryFolder;

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(OutputFile, WritesInOrderAndAtOffsets) {
  const TemporaryFolder folder;
  OutputFile file(folder / "a");
  file.write("hello ");
  file.write("world");
  file.write_at(0, std::as_bytes(std::span("J", 1)));
  file.finish();

  EXPECT_EQ(file.position(), 11u);
  EXPECT_EQ(read_text(folder / "a", 100), "Jello world");
}

TEST(OutputFile, RefusesAnExistingPathAndAMissingFolder) {
  const TemporaryFolder folder;
  write_synced(folder / "a", "mine");

  expect_error(ExitCode::cannot_save, "cannot create", [&] { OutputFile file(folder / "a"); });
  expect_error(ExitCode::cannot_save, "cannot create", [&] { OutputFile file(folder / "no/a"); });
  EXPECT_EQ(read_text(folder / "a", 100), "mine");
}

TEST(OutputFile, SaysWhenTheSpaceIsNotThere) {
  const TemporaryFolder folder;
  OutputFile file(folder / "a");

  expect_error(ExitCode::cannot_save, "reserve", [&] { file.reserve(std::uint64_t{1} << 62); });
}

TEST(MappedFile, ShowsTheBytesAndSurvivesAMove) {
  const TemporaryFolder folder;
  write_synced(folder / "a", "mapped");
  MappedFile first(folder / "a");
  const MappedFile second(std::move(first));

  EXPECT_EQ(text_of(second.bytes()), "mapped");
}

TEST(MappedFile, AcceptsAnEmptyFile) {
  const TemporaryFolder folder;
  write_synced(folder / "a", "");

  EXPECT_TRUE(MappedFile(folder / "a").bytes().empty());
}

TEST(ReadText, RefusesMissingFoldersAndFilesOverTheLimit) {
  const TemporaryFolder folder;
  write_synced(folder / "a", "12345");

  expect_error(ExitCode::cannot_load, "No such file", [&] { read_text(folder / "b", 10); });
  expect_error(ExitCode::cannot_load, "not a regular file", [&] { read_text(folder.path(), 10); });
  expect_error(ExitCode::cannot_load, "more than the limit of 4",
               [&] { read_text(folder / "a", 4); });
}

}  // namespace
}  // namespace fg
