#include <random>

#include <gtest/gtest.h>

#include <fg/data/token_set.hpp>
#include <fg/test/expect_error.hpp>

#include "cache_file.hpp"
#include "tiny_model.hpp"

namespace fg::data {
namespace {

const std::string key = "0123456789abcdef0123456789abcdef";

Encoded document(std::vector<std::int32_t> ids) {
  Encoded encoded;
  encoded.trained.assign(ids.size(), 1);
  encoded.ids = std::move(ids);
  return encoded;
}

/// A cache file of three documents in two blocks.
void write_cache(const std::filesystem::path& path) {
  CacheWriter writer(path, key);
  DocumentBlock first, second;
  first.add(document({1, 2, 3}), 0);
  first.add(document({4, 5}), 2);
  second.add(document({6, 7, 8, 9, 10}), 3);
  writer.add(first);
  writer.add(second);
  writer.finish({.records = 4, .documents = 3, .tokens = 10, .trained_tokens = 7},
                {{0, 2, 1.0}, {2, 3, 0.25}});
}

TEST(TokenSet, ReadsWhatWasWritten) {
  const test::TemporaryFolder folder;
  write_cache(folder / "a.tokens");
  const TokenSet set = TokenSet::open(folder / "a.tokens", key);

  ASSERT_EQ(set.size(), 3u);
  const Document last = set.document(2);
  EXPECT_EQ(std::vector<std::uint32_t>(last.ids.begin(), last.ids.end()),
            (std::vector<std::uint32_t>{6, 7, 8, 9, 10}));
  EXPECT_EQ(last.trained.size(), 5u);
  EXPECT_EQ(set.length(1), 2u);
  EXPECT_EQ(set.trained_tokens(1), 1u);
  EXPECT_EQ(set.record(1), 2u);
  EXPECT_EQ(set.longest(), 5u);
  EXPECT_EQ(set.counts().records, 4u);
  EXPECT_EQ(set.sources(), (std::vector<SourceRange>{{0, 2, 1.0}, {2, 3, 0.25}}));
  EXPECT_EQ(set.content_hash().size(), 32u);
}

TEST(TokenSet, FindsEveryFlippedByteAndEveryCut) {
  const test::TemporaryFolder folder;
  write_cache(folder / "a.tokens");
  const std::string whole = read_text(folder / "a.tokens", 1 << 20);
  const auto refused = [&](const std::string& bytes) {
    std::filesystem::remove(folder / "b.tokens");
    write_synced(folder / "b.tokens", bytes);
    test::expect_error(ExitCode::cannot_load,
                       "b.tokens: ", [&] { TokenSet::open(folder / "b.tokens", key); });
  };
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << at % 8));
    refused(flipped);
  }
  for (std::size_t size = 1; size < whole.size(); size += 7) refused(whole.substr(0, size));
  refused(whole + "x");
}

TEST(TokenSet, RefusesAnotherKey) {
  const test::TemporaryFolder folder;
  write_cache(folder / "a.tokens");
  test::expect_error(ExitCode::cannot_load, "was made from other data",
                     [&] { TokenSet::open(folder / "a.tokens", std::string(32, 'f')); });
}

}  // namespace
}  // namespace fg::data
