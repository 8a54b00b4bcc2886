#include <gtest/gtest.h>

#include <fg/base/file.hpp>
#include <fg/store/safetensors.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

#include "byte_text.hpp"
#include "safetensors_header.hpp"

namespace fg::store {
namespace {

using test::expect_error;
using test::TemporaryFolder;

std::string file_text(const std::string& header, std::size_t data) {
  const std::uint64_t length = header.size();
  std::string text(reinterpret_cast<const char*>(&length), sizeof length);
  return text + header + std::string(data, '\0');
}

void expect_refused(const std::string& rule, const std::string& header, std::size_t data) {
  const std::string text = file_text(header, data);
  expect_error(ExitCode::cannot_load, rule,
               [&] { parse_safetensors_header(bytes_of(text), "f.safetensors"); });
}

std::string tensor(const std::string& name, const std::string& shape, int begin, int end) {
  return '"' + name + R"(":{"dtype":"F32","shape":[)" + shape + R"(],"data_offsets":[)" +
         std::to_string(begin) + ',' + std::to_string(end) + "]}";
}

TEST(SafetensorsHeader, ListsTensorsInTheOrderOfTheirData) {
  const std::string text =
      file_text('{' + tensor("b", "2", 4, 12) + ',' + tensor("a", "", 0, 4) + "}  ", 12);

  const SafetensorsHeader header = parse_safetensors_header(bytes_of(text), "f");

  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.tensors[0], (TensorInfo{"a", Dtype::float32, {}}));
  EXPECT_EQ(header.tensors[1], (TensorInfo{"b", Dtype::float32, {2}}));
  EXPECT_EQ(header.offsets[1], text.size() - 8);
}

TEST(SafetensorsHeader, RefusesHolesOverlapsAndBytesLeftOver) {
  expect_refused("hole before tensor 'b'",
                 '{' + tensor("a", "1", 0, 4) + ',' + tensor("b", "1", 8, 12) + '}', 12);
  expect_refused("tensor 'b' overlaps",
                 '{' + tensor("a", "2", 0, 8) + ',' + tensor("b", "2", 4, 12) + '}', 12);
  expect_refused("past the end", '{' + tensor("a", "2", 0, 8) + '}', 7);
  expect_refused("1 bytes lie behind", '{' + tensor("a", "2", 0, 8) + '}', 9);
}

TEST(SafetensorsHeader, RefusesSizesThatDoNotAgreeOrOverflow) {
  expect_refused("shape and dtype need 12", '{' + tensor("a", "3", 0, 8) + '}', 8);
  expect_refused("overflows", '{' + tensor("a", "4294967296,4294967296", 0, 0) + '}', 0);
  expect_refused("8 dimensions", '{' + tensor("a", "1,1,1,1,1,1,1,1,1", 0, 4) + '}', 4);
}

TEST(SafetensorsHeader, RefusesNamesTwiceAndDtypesItDoesNotKnow) {
  expect_refused("'a' appears twice",
                 '{' + tensor("a", "0", 0, 0) + ',' + tensor("a", "0", 0, 0) + '}', 0);
  expect_refused("'F8_E4M3'", R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1);
}

TEST(SafetensorsHeader, RefusesLengthsThatTheFileDoesNotHave) {
  std::string text = file_text("{}", 0);
  text[7] = '\x80';
  expect_error(ExitCode::cannot_load, "more than 100000000",
               [&] { parse_safetensors_header(bytes_of(text), "f"); });
  expect_error(ExitCode::cannot_load, "fewer than the 8",
               [&] { parse_safetensors_header({}, "f"); });
}

TEST(SafetensorsHeader, MessagesAreValidUtf8AndShort) {
  const std::string text = file_text("{\"\xff", 0);
  try {
    parse_safetensors_header(bytes_of(text), "f");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\xff'), std::string::npos);
  }
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  const TemporaryFolder folder;
  const std::vector<TensorInfo> tensors = {{"odd", Dtype::uint8, {3}},
                                           {"wide", Dtype::float64, {2, 2}},
                                           {"scalar", Dtype::boolean, {}},
                                           {"none", Dtype::float32, {4, 0}}};
  write_numbered(*create_safetensors(folder / "a", tensors));

  const auto reader = open_safetensors(folder / "a");

  // Wide types first, so that each is aligned.
  ASSERT_EQ(reader->tensors().size(), 4u);
  EXPECT_EQ(reader->tensors()[0].name, "wide");
  EXPECT_EQ(read_whole(*reader, 0), numbered_bytes(32, 1));
  EXPECT_EQ(reader->tensors()[2].name, "odd");
  EXPECT_EQ(read_whole(*reader, 2), numbered_bytes(3, 0));
}

TEST(SafetensorsWriter, AcceptsPiecesInAnyOrder) {
  const TemporaryFolder folder;
  const auto writer = create_safetensors(folder / "a", {{"w", Dtype::uint8, {300}}});
  const std::vector<std::byte> bytes = numbered_bytes(300);
  for (const std::size_t begin : {200u, 0u, 100u})
    writer->write(0, begin, std::span(bytes).subspan(begin, 100));
  writer->finish();

  const auto reader = open_safetensors(folder / "a");
  std::vector<std::byte> middle(50);
  reader->read(0, 80, middle);

  EXPECT_EQ(read_whole(*reader, 0), bytes);
  EXPECT_TRUE(std::ranges::equal(middle, std::span(bytes).subspan(80, 50)));
}

TEST(SafetensorsWriter, LeavesNoValidFileWithoutFinish) {
  const TemporaryFolder folder;
  {
    const auto writer = create_safetensors(folder / "a", {{"w", Dtype::uint8, {300}}});
    writer->write(0, 0, numbered_bytes(300));
  }

  expect_error(ExitCode::cannot_load, "not a valid safetensors",
               [&] { open_safetensors(folder / "a"); });
}

TEST(SafetensorsWriter, RefusesNamesTwiceAndAnExistingFile) {
  const TemporaryFolder folder;
  write_synced(folder / "a", "mine");

  expect_error(ExitCode::cannot_save, "cannot create",
               [&] { create_safetensors(folder / "a", {}); });
  expect_error(ExitCode::cannot_save, "appears twice", [&] {
    create_safetensors(folder / "b", {{"w", Dtype::uint8, {1}}, {"w", Dtype::uint8, {1}}});
  });
}

TEST(SafetensorsWriter, SaysAtOnceWhenTheSpaceIsNotThere) {
  const TemporaryFolder folder;

  expect_error(ExitCode::cannot_save, "reserve", [&] {
    create_safetensors(folder / "a", {{"w", Dtype::uint8, {std::uint64_t{1} << 61}}});
  });
}

TEST(SafetensorsWriter, ChecksThatEveryByteIsWrittenOnce) {
  const TemporaryFolder folder;
  const auto writer = create_safetensors(folder / "a", {{"w", Dtype::uint8, {10}}});
  writer->write(0, 2, numbered_bytes(4));

  expect_error(ExitCode::bug, "check", [&] { writer->finish(); });
  expect_error(ExitCode::bug, "check", [&] { writer->write(0, 5, numbered_bytes(2)); });
  expect_error(ExitCode::bug, "check", [&] { writer->write(0, 9, numbered_bytes(2)); });
}

}  // namespace
}  // namespace fg::store
