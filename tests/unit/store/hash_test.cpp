#include <set>
#include <string>

#include <gtest/gtest.h>

#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/store/hash.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

namespace fg::store {
namespace {

using test::expect_error;
using test::TemporaryFolder;

// From the xxHash specification's empty input, and from `printf a | xxh128sum`.
TEST(Hasher, GivesThePublishedHashes) {
  EXPECT_EQ(Hasher().hex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash_text("a"), "a96faf705af16834e6c632b61e964e1f");
}

TEST(Hasher, DoesNotDependOnThePieces) {
  std::string text(100'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * i % 251);
  for (const std::size_t piece : {1u, 7u, 256u, 1000u, 99'999u}) {
    Hasher hasher;
    for (std::size_t at = 0; at < text.size(); at += piece)
      hasher.update(std::string_view(text).substr(at, piece));

    EXPECT_EQ(hasher.hex(), hash_text(text));
    EXPECT_EQ(hasher.size(), text.size());
  }
}

TEST(Hasher, MayGoOnAfterHex) {
  Hasher hasher;
  hasher.update("ab");
  EXPECT_EQ(hasher.hex(), hash_text("ab"));
  Hasher moved = std::move(hasher);
  moved.update("c");
  EXPECT_EQ(moved.hex(), hash_text("abc"));
}

TEST(RecordOfFile, HasSizeAndHash) {
  const TemporaryFolder folder;
  const std::string text(3'000'001, 'x');
  write_synced(folder / "a", text);
  write_synced(folder / "empty", "");

  EXPECT_EQ(record_of_file(folder / "a"), (FileRecord{text.size(), hash_text(text)}));
  EXPECT_EQ(record_of_file(folder / "empty"), (FileRecord{0, hash_text("")}));
  expect_error(ExitCode::cannot_load, "No such file", [&] { record_of_file(folder / "no"); });
  expect_error(ExitCode::cannot_load, "not a regular file", [&] { record_of_file(folder.path()); });
}

TEST(SampleOfFile, TellsModelsApartWithoutReadingAllOfThem) {
  const TemporaryFolder folder;
  std::string text(3'000'001, 'x');
  write_synced(folder / "a", text);
  write_synced(folder / "copy", text);
  write_synced(folder / "short", text.substr(1));
  text[text.size() - 1] = 'y';
  write_synced(folder / "end", text);
  for (std::size_t at = 0; at < text.size(); at += 1000) text[at] = 'z';
  write_synced(folder / "all", text);
  write_synced(folder / "empty", "");
  write_synced(folder / "one", "1");

  std::set<std::string> samples;
  for (const char* name : {"a", "copy", "short", "end", "all", "empty", "one"})
    samples.insert(sample_of_file(folder / name));
  EXPECT_EQ(samples.size(), 6u) << "only the copy is the same";
  expect_error(ExitCode::cannot_load, "No such file", [&] { sample_of_file(folder / "no"); });
}

}  // namespace
}  // namespace fg::store
