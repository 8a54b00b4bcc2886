#include <gtest/gtest.h>
#include <zlib.h>

#include <fg/base/file.hpp>
#include <fg/data/records.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

namespace fg::data {
namespace {

/// One gzip member.
std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

TEST(RecordFile, GivesRecordsAndTheirPlaces) {
  const test::TemporaryFolder folder;
  write_synced(folder / "a.jsonl", "{}\n\n{\"b\": 1}\n");
  const RecordFile file(folder / "a.jsonl");

  ASSERT_EQ(file.size(), 2u);
  EXPECT_EQ(file.record(1), "{\"b\": 1}");
  EXPECT_EQ(file.place(1), (folder / "a.jsonl").string() + ": line 3 (record 2)");
}

TEST(RecordFile, ReadsEmptyFiles) {
  const test::TemporaryFolder folder;
  for (const char* name : {"a.jsonl", "a.json", "a.txt"}) {
    write_synced(folder / name, "");
    EXPECT_EQ(RecordFile(folder / name).size(), 0u);
  }
}

TEST(RecordFile, UnpacksGzipOfSeveralMembers) {
  const test::TemporaryFolder folder;
  const std::string text(5'000'000, 'x');
  write_synced(folder / "a.txt.gz", gzip(text) + gzip("\n\nsecond\n") + gzip(""));
  const RecordFile file(folder / "a.txt.gz");

  ASSERT_EQ(file.size(), 2u);
  EXPECT_EQ(file.record(0), text);
  EXPECT_EQ(file.record(1), "second");
}

TEST(RecordFile, RefusesGzipThatIsDamagedCutOrTooLarge) {
  const test::TemporaryFolder folder;
  const std::string whole = gzip(std::string(2000, 'y') + "\n{}");
  const auto refused = [&](const std::string& bytes, const std::string& part,
                           std::uint64_t most = 1 << 20) {
    std::filesystem::remove(folder / "a.jsonl.gz");
    write_synced(folder / "a.jsonl.gz", bytes);
    test::expect_error(ExitCode::data, part, [&] { RecordFile(folder / "a.jsonl.gz", most); });
  };
  refused(whole.substr(0, whole.size() - 3), "the gzip file is cut off");
  refused("", "cut off");
  refused("no gzip at all", "damaged gzip file at byte");
  refused(whole + "behind", "damaged gzip file");
  refused(whole, "unpacks to more than", 1000);
  std::string flipped = whole;
  flipped[flipped.size() - 6] ^= 1;
  refused(flipped, "damaged gzip file");
}

TEST(RecordFile, RefusesAFileThatIsNotThere) {
  test::expect_error(ExitCode::data, "none.jsonl", [] { RecordFile("/nowhere/none.jsonl"); });
}

}  // namespace
}  // namespace fg::data
