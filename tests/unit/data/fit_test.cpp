#include "fit.hpp"

#include <random>

#include <gtest/gtest.h>

namespace fg::data {
namespace {

/// Tokens 0, 1, 2, … of which those with a '1' are trained.
Encoded document(const std::string& trained, std::size_t end_marker) {
  Encoded encoded;
  for (std::size_t index = 0; index < trained.size(); ++index) {
    encoded.ids.push_back(static_cast<std::int32_t>(index));
    encoded.trained.push_back(trained[index] == '1' ? 1 : 0);
  }
  encoded.end_marker = end_marker;
  return encoded;
}

using Ids = std::vector<std::int32_t>;

TEST(Fit, LeavesADocumentThatFits) {
  Counts counts;
  const auto documents = fit(document("0110", 1), 4, TooLong::cut, counts);

  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].ids, (Ids{0, 1, 2, 3}));
  EXPECT_EQ(
      counts,
      (Counts{
          .records = 1, .documents = 1, .tokens = 4, .trained_tokens = 2, .longest_record = 4}));
}

TEST(Fit, CutsSoThatTheEndMarkerStays) {
  Counts counts;
  const auto documents = fit(document("1111111110", 2), 6, TooLong::cut, counts);

  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].ids, (Ids{0, 1, 2, 3, 8, 9}));
  EXPECT_EQ(documents[0].trained, (std::vector<std::uint8_t>{1, 1, 1, 1, 1, 0}));
  EXPECT_EQ(counts.cut_records, 1u);
  EXPECT_EQ(counts.cut_tokens, 4u);
  EXPECT_EQ(counts.cut_trained_tokens, 4u);
}

TEST(Fit, EndsWithTheLastWholeAnswerWhereTheCutFallsBehindIt) {
  Counts counts;
  const auto documents = fit(document("0011000000111", 2), 8, TooLong::cut, counts);

  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].ids, (Ids{0, 1, 2, 3}));
  EXPECT_EQ(counts.cut_tokens, 9u);
  EXPECT_EQ(counts.cut_trained_tokens, 3u);
}

TEST(Fit, AddsNoMarkerBehindAnAnswerThatEndsAtTheCut) {
  Counts counts;
  const auto documents = fit(document("00110000011", 2), 6, TooLong::cut, counts);

  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].ids, (Ids{0, 1, 2, 3}));
}

TEST(Fit, CountsWhatIsDropped) {
  Counts counts;
  EXPECT_TRUE(fit(document("000", 1), 4, TooLong::cut, counts).empty());
  EXPECT_TRUE(fit(document("1", 0), 4, TooLong::cut, counts).empty());  // predicts nothing
  EXPECT_TRUE(fit(document("", 0), 4, TooLong::cut, counts).empty());
  EXPECT_EQ(counts.dropped_records, 3u);
  EXPECT_TRUE(fit(document("00000011", 1), 4, TooLong::cut, counts).empty());
  EXPECT_EQ(counts.dropped_records, 4u);
  EXPECT_EQ(counts.cut_trained_tokens, 2u);
  EXPECT_EQ(counts.documents, 0u);
}

TEST(Fit, SplitsSoThatEveryTokenIsATargetOnce) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string flags(1 + random() % 60, '0');
    for (char& flag : flags) flag = random() % 3 == 0 ? '1' : '0';
    const std::size_t seq_len = 2 + random() % 9;
    Counts counts;
    std::vector<int> targets(flags.size(), 0);
    for (const Encoded& window : fit(document(flags, 2), seq_len, TooLong::split, counts)) {
      EXPECT_LE(window.ids.size(), seq_len);
      for (std::size_t index = 1; index < window.ids.size(); ++index)
        targets[static_cast<std::size_t>(window.ids[index])] += window.trained[index];
    }
    for (std::size_t index = 0; index < flags.size(); ++index)
      EXPECT_EQ(targets[index], index > 0 && flags[index] == '1' ? 1 : 0) << flags;
    EXPECT_EQ(counts.trained_tokens, count_trained(document(flags, 2)));
    EXPECT_EQ(counts.cut_tokens, 0u);
  }
}

TEST(Fit, CutsAnythingToTheLengthWithoutLosingCount) {
  std::mt19937 random(8);
  for (int round = 0; round < 500; ++round) {
    std::string flags(1 + random() % 60, '0');
    for (char& flag : flags) flag = random() % 3 != 0 ? '1' : '0';
    const std::size_t seq_len = 2 + random() % 9;
    const Encoded whole = document(flags, random() % std::min<std::size_t>(flags.size(), 6));
    Counts counts;
    const auto documents = fit(whole, seq_len, TooLong::cut, counts);
    std::uint64_t tokens = 0, trained = 0;
    for (const Encoded& made : documents) {
      EXPECT_LE(made.ids.size(), seq_len);
      tokens += made.ids.size();
      trained += count_trained(made);
    }
    EXPECT_EQ(trained + counts.cut_trained_tokens, count_trained(whole));
    if (!documents.empty()) {
      EXPECT_EQ(tokens + counts.cut_tokens, whole.ids.size());
    }
  }
}

}  // namespace
}  // namespace fg::data
