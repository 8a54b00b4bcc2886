#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include <fg/data/prepare.hpp>
#include <fg/test/expect_error.hpp>

#include "tiny_model.hpp"

namespace fg::data {
namespace {

namespace fs = std::filesystem;

class Prepare : public testing::Test {
protected:
  Prepare() { write(test::lines_of_lengths({3, 5, 4})); }

  void write(const std::string& text) {
    fs::remove(folder_ / "data.jsonl");
    write_synced(folder_ / "data.jsonl", text);
  }
  Options options() const {
    Options options;
    options.sources = {{.path = folder_ / "data.jsonl", .weight = 1.0, .format = {}, .split = {}}};
    options.cache_folder = folder_ / "cache" / "below";
    options.show_progress = false;
    options.seq_len = 64;
    return options;
  }
  TokenSet prepared() const { return prepare(options(), model_.encoder()); }
  std::vector<fs::path> cached() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_ / "cache" / "below"))
      found.push_back(entry.path());
    return found;
  }

  test::TinyModel model_;
  test::TemporaryFolder folder_;
};

TEST_F(Prepare, TokenisesOnce) {
  const TokenSet first = prepared();
  EXPECT_EQ(first.size(), 3u);
  EXPECT_EQ(first.length(1), 7u);
  const auto written = fs::last_write_time(first.path());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const TokenSet second = prepared();

  EXPECT_EQ(second.path(), first.path());
  EXPECT_EQ(fs::last_write_time(second.path()), written);
  EXPECT_EQ(cached().size(), 1u) << "neither lock nor temporary file stays";
}

TEST_F(Prepare, TakesNoStaleCache) {
  const TokenSet before = prepared();
  write(test::lines_of_lengths({5, 3, 4}));
  const TokenSet after = prepared();

  EXPECT_EQ(before.length(0), 5u);
  EXPECT_EQ(after.length(0), 7u);
  EXPECT_NE(before.content_hash(), after.content_hash());
}

TEST_F(Prepare, MakesANewEntryForAnythingThatDecidesTheTokens) {
  const std::string key = cache_key(options(), model_.encoder());
  const auto differs = [&](auto change) {
    Options changed = options();
    change(changed);
    EXPECT_NE(cache_key(changed, model_.encoder()), key);
  };
  differs([](Options& o) { o.seq_len = 65; });
  differs([](Options& o) { o.train_on = TrainOn::assistant; });
  differs([](Options& o) { o.too_long = TooLong::split; });
  differs([](Options& o) { o.split = "train[:2]"; });
  differs([](Options& o) { o.format = Format::text; });
  differs([](Options& o) { o.sources[0].weight = 0.5; });
  differs([](Options& o) { o.sources.push_back(o.sources[0]); });
  EXPECT_NE(cache_key(options(), test::TinyModel("{{ messages }}").encoder()), key);
  Options same = options();
  same.threads = 7;
  EXPECT_EQ(cache_key(same, model_.encoder()), key);
}

TEST_F(Prepare, MakesADamagedEntryAnew) {
  const TokenSet first = prepared();
  std::string bytes = read_text(first.path(), 1 << 20);
  for (const std::size_t at : {std::size_t{5}, bytes.size() / 2, bytes.size() - 1}) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    fs::remove(first.path());
    write_synced(first.path(), damaged);
    EXPECT_EQ(prepared().content_hash(), first.content_hash());
    EXPECT_EQ(read_text(first.path(), 1 << 20), bytes);
  }
  fs::remove(first.path());
  write_synced(first.path(), bytes.substr(0, bytes.size() / 2));
  EXPECT_EQ(prepared().content_hash(), first.content_hash());
}

TEST_F(Prepare, RemovesWhatKilledRunsLeft) {
  const fs::path path = prepared().path();
  fs::remove(path);
  write_synced(path.string() + ".tmp-123", "half");
  write_synced(path.parent_path() / "other.tokens.tmp-9", "another's");
  prepared();

  EXPECT_EQ(cached().size(), 2u);
  EXPECT_TRUE(fs::exists(path.parent_path() / "other.tokens.tmp-9"));
}

TEST_F(Prepare, GivesTheSameBytesOnAnyNumberOfThreads) {
  std::vector<std::size_t> lengths;
  for (std::size_t index = 0; index < 2000; ++index) lengths.push_back(1 + index * 37 % 900);
  write(test::lines_of_lengths(lengths));
  std::string first;
  for (const unsigned threads : {1u, 2u, 5u}) {
    Options own = options();
    own.threads = threads;
    own.cache_folder = folder_ / std::to_string(threads);
    const TokenSet set = prepare(own, model_.encoder());
    const std::string bytes = read_text(set.path(), 1 << 26);
    if (first.empty()) first = bytes;
    EXPECT_TRUE(bytes == first);
    EXPECT_EQ(set.counts().records, 2000u);
    EXPECT_GT(set.counts().cut_records, 0u);
  }
}

TEST_F(Prepare, LetsSeveralWaitForOne) {
  std::vector<std::size_t> lengths(3000, 200);
  write(test::lines_of_lengths(lengths));
  std::vector<std::string> hashes(4);
  {
    std::vector<std::jthread> callers;
    for (std::string& hash : hashes)
      callers.emplace_back([&] { hash = prepared().content_hash(); });
  }
  for (const std::string& hash : hashes) EXPECT_EQ(hash, hashes[0]);
  EXPECT_EQ(cached().size(), 1u);
}

TEST_F(Prepare, NamesFileLineAndRecordOfTheFirstMistake) {
  std::string text = test::lines_of_lengths(std::vector<std::size_t>(3000, 300));
  text += "\n{\"text\": 5}\n{\"txt\": 1}\n";
  write(text);
  for (const unsigned threads : {1u, 4u}) {
    Options own = options();
    own.threads = threads;
    test::expect_error(ExitCode::data, "data.jsonl: line 3002 (record 3001): 'text' must be a text",
                       [&] { prepare(own, model_.encoder()); });
  }
  EXPECT_TRUE(cached().empty());
}

TEST_F(Prepare, NamesTheRecordThatATemplateRefuses) {
  const test::TinyModel strict("{{ raise_exception('no ' + messages[0].role) }}");
  write(R"({"messages": [{"role": "cat", "content": ""}]})");
  test::expect_error(ExitCode::data, "data.jsonl: line 1 (record 1): ", [&] {
    prepare(options(), strict.encoder());
  });
}

TEST_F(Prepare, RefusesDataWithNothingToTrain) {
  Options own = options();
  write("\n");
  test::expect_error(ExitCode::data, "it holds no records",
                     [&] { prepare(own, model_.encoder()); });
  own.train_on = TrainOn::assistant;
  write(R"({"messages": [{"role": "user", "content": "alone"}]})");
  test::expect_error(ExitCode::data, "nothing in it is trained (train_on: assistant",
                     [&] { prepare(own, model_.encoder()); });
}

TEST_F(Prepare, RefusesOptionsThatMakeNoSense) {
  const auto refused = [&](auto change, ExitCode code, const std::string& part) {
    Options changed = options();
    change(changed);
    test::expect_error(code, part, [&] { prepare(changed, model_.encoder()); });
  };
  refused([](Options& o) { o.sources.clear(); }, ExitCode::usage, "no path");
  refused([](Options& o) { o.seq_len = 1; }, ExitCode::usage, "seq_len");
  refused([](Options& o) { o.sources[0].weight = 0; }, ExitCode::usage, "weight");
  refused([](Options& o) { o.split = "[1"; }, ExitCode::usage, "split '[1'");
  refused([](Options& o) { o.split = "[:9]"; }, ExitCode::data, "its 3 records");
  refused([](Options& o) { o.sources[0].path = "/nowhere/x.json"; }, ExitCode::data,
          "does not exist");
  refused([](Options& o) { o.cache_folder = "/proc/none/x"; }, ExitCode::cannot_save,
          "the folder for the cache");
}

TEST_F(Prepare, TakesASplitOverSeveralFiles) {
  const test::TemporaryFolder several;
  write_synced(several / "train-1.jsonl", test::lines_of_lengths({1, 2, 3}));
  write_synced(several / "train-2.json", R"([{"text": "dddd"}, {"text": "eeeee"}])");
  Options own = options();
  own.sources[0].path = several.path();
  own.split = "train[40%:80%]";
  const TokenSet set = prepare(own, model_.encoder());

  ASSERT_EQ(set.size(), 2u);
  EXPECT_EQ(set.length(0), 5u);
  EXPECT_EQ(set.length(1), 6u);
  EXPECT_EQ(set.record(1), 1u);
}

TEST_F(Prepare, StopsWhenAsked) {
  Options own = options();
  own.check = [] { fail(ExitCode::interrupted, "stop"); };
  test::expect_error(ExitCode::interrupted, "stop", [&] { prepare(own, model_.encoder()); });
}

}  // namespace
}  // namespace fg::data
