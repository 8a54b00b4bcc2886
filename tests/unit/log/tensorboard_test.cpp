#include <fstream>
#include <numeric>
#include <string>

#include <gtest/gtest.h>

#include <fg/base/file.hpp>
#include <fg/log/tensorboard.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

#include "crc32c.hpp"
#include "event_message.hpp"

namespace fg::log {
namespace {

TEST(Crc32c, GivesTheValuesOfRfc3720) {
  std::string up(32, '\0');
  std::iota(up.begin(), up.end(), 0);

  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc32c(up), 0x46DD794EU);
  EXPECT_EQ(crc32c(std::string(up.rbegin(), up.rend())), 0x113FDB5CU);
}

TEST(Crc32c, IsMaskedAsTfRecordWants) {
  EXPECT_EQ(masked_crc32c("123456789"), 0xC78AB0E5U);
  EXPECT_EQ(masked_crc32c(""), 0xA282EAD8U);
}

TEST(EventMessage, IsTheProtobufOfAnEvent) {
  // wall_time: field 1, 64 bits; step: field 2, varint; summary.value {tag, simple_value}.
  EXPECT_EQ(scalar_event({.wall_time = 0, .step = 300}, "a", 1.0F),
            std::string("\x09\0\0\0\0\0\0\0\0\x10\xAC\x02\x2A\x0A\x0A\x08\x0A\x01"
                        "a\x15\0\0\x80\x3F",
                        24));
  EXPECT_EQ(session_start_event({.wall_time = 0, .step = 7}),
            std::string("\x09\0\0\0\0\0\0\0\0\x10\x07\x3A\x02\x08\x01", 15));
}

TEST(EventMessage, IsFramedByLengthAndChecks) {
  const std::string record = framed("abc");

  ASSERT_EQ(record.size(), 8U + 4 + 3 + 4);
  EXPECT_EQ(record.substr(0, 8), std::string("\x03\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(record.substr(12, 3), "abc");
}

TEST(EventFile, ReachesTheDiskAtEachFlush) {
  const test::TemporaryFolder folder;
  EventFile events(folder / "tb", std::nullopt);
  const auto begin = std::filesystem::file_size(events.path());

  events.scalar("train/loss", 1, 2.0);
  EXPECT_EQ(std::filesystem::file_size(events.path()), begin);
  events.flush();

  EXPECT_GT(std::filesystem::file_size(events.path()), begin);
}

TEST(EventFile, SortsBehindTheFilesOfEarlierParts) {
  const test::TemporaryFolder folder;
  // A part whose clock ran ahead.
  std::ofstream(folder / "events.out.tfevents.4000000000.host.1.fg");
  std::ofstream(folder / "notes.txt");

  const EventFile second(folder.path(), 3), third(folder.path(), 6);

  EXPECT_GT(second.path().filename().string(), "events.out.tfevents.4000000000.host.1.fg");
  EXPECT_GT(third.path(), second.path());
}

TEST(EventFile, ReplacesBytesThatAreNotUtf8) {
  const test::TemporaryFolder folder;
  EventFile events(folder.path(), std::nullopt);

  events.text("samples/0", 1, "a\xFF\xC3z");
  events.flush();

  const std::string bytes = read_text(events.path(), 10000);
  EXPECT_NE(bytes.find("a\xEF\xBF\xBD\xEF\xBF\xBDz"), std::string::npos);
}

TEST(EventFile, SaysWhereItCannotWrite) {
  test::expect_error(ExitCode::cannot_save, "/proc/fg-no-such",
                     [] { EventFile("/proc/fg-no-such", std::nullopt); });
}

}  // namespace
}  // namespace fg::log
