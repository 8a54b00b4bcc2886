#include <random>

#include <gtest/gtest.h>

#include <fg/infer/stop_filter.hpp>

namespace fg::infer {
namespace {

struct Shown {
  std::string text;
  bool stopped = false;

  friend bool operator==(const Shown&, const Shown&) = default;
};

Shown show(const std::vector<std::string>& stop, const std::vector<std::string>& pieces) {
  StopFilter filter(stop);
  Shown shown;
  for (const std::string& piece : pieces) shown.text += filter.push(piece);
  shown.text += filter.finish();
  shown.stopped = filter.stopped();
  return shown;
}

TEST(StopFilter, LetsAllThroughWithoutStopStrings) {
  StopFilter filter({});

  EXPECT_EQ(filter.push("abc"), "abc");
  EXPECT_EQ(filter.finish(), "");
  EXPECT_FALSE(filter.stopped());
}

TEST(StopFilter, EndsBeforeTheStopString) {
  EXPECT_EQ(show({"STOP"}, {"one STOP two"}), (Shown{"one ", true}));
}

TEST(StopFilter, NeverShowsThePartsOfOneThatComesInPieces) {
  StopFilter filter({"</answer>"});

  EXPECT_EQ(filter.push("yes</"), "yes");
  EXPECT_EQ(filter.push("ans"), "");
  EXPECT_EQ(filter.push("wer>more"), "");
  EXPECT_TRUE(filter.stopped());
  EXPECT_EQ(filter.push("again"), "");
  EXPECT_EQ(filter.finish(), "");
}

TEST(StopFilter, LetsGoOfWhatIsNoStopStringAfterAll) {
  StopFilter filter({"aab"});

  EXPECT_EQ(filter.push("xaa"), "x");
  EXPECT_EQ(filter.push("a"), "a");
  EXPECT_EQ(filter.push("c"), "aac");
}

TEST(StopFilter, ShowsWhatWaitsAtTheEnd) {
  EXPECT_EQ(show({"STOP"}, {"full ST"}), (Shown{"full ST", false}));
}

TEST(StopFilter, TakesTheOneThatIsCompleteFirst) {
  EXPECT_EQ(show({"abcdef", "cd"}, {"xabcdef"}), (Shown{"xab", true}));
  EXPECT_EQ(show({"cd", "abcd"}, {"xabcd"}), (Shown{"x", true}));
}

TEST(StopFilter, PassesOverEmptyStrings) {
  EXPECT_EQ(show({"", "b"}, {"ab"}), (Shown{"a", true}));
}

TEST(StopFilter, DoesNotDependOnHowTheTextIsCut) {
  std::mt19937 random(5);
  const auto word = [&](unsigned most) {
    std::string text;
    for (auto left = 1 + random() % most; left > 0; --left) text += random() % 2 == 0 ? 'a' : 'b';
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    const std::vector<std::string> stop = {word(6), word(6)};
    const std::string text = word(20);
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = 1 + random() % 4;
      pieces.push_back(text.substr(at, size));
      at += size;
    }
    EXPECT_EQ(show(stop, pieces), show(stop, {text})) << text << " " << stop[0] << " " << stop[1];
  }
}

}  // namespace
}  // namespace fg::infer
