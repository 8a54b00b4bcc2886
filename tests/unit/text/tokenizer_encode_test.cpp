#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <fg/base/utf8.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/text/tokenizer.hpp>

#include "tiny_tokenizer.hpp"

namespace fg::text {
namespace {

Tokenizer make(const Json& document) {
  return Tokenizer::from_json(document.dump(), "t.json");
}

std::vector<std::string> tokens_of(const Tokenizer& tokenizer,
                                   const std::vector<std::int32_t>& ids) {
  std::vector<std::string> tokens;
  for (const std::int32_t id : ids) tokens.emplace_back(tokenizer.token_of(id).value());
  return tokens;
}

using Tokens = std::vector<std::string>;

TEST(Tokenizer, MergesLowestRankFirstAndLeftmostOfEquals) {
  const Tokenizer tokenizer = make(test::tiny_llama());

  // "▁a" outranks "ab", so "▁ab" comes about by ▁a + b; "cd" outranks "bc".
  EXPECT_EQ(tokens_of(tokenizer, tokenizer.encode("abcd").ids), (Tokens{"▁ab", "cd"}));
  EXPECT_EQ(tokens_of(tokenizer, tokenizer.encode("abc ab").ids), (Tokens{"▁abc", "▁ab"}));
  EXPECT_EQ(tokens_of(tokenizer, tokenizer.encode("eabab").ids), (Tokens{"▁", "e", "ab", "ab"}));
}

TEST(Tokenizer, FallsBackToBytes) {
  const Tokenizer tokenizer = make(test::tiny_llama());

  const Encoding encoding = tokenizer.encode("aé", {.want_offsets = true});

  EXPECT_EQ(tokens_of(tokenizer, encoding.ids), (Tokens{"▁a", "<0xC3>", "<0xA9>"}));
  EXPECT_EQ(encoding.offsets, (std::vector<ByteSpan>{{0, 1}, {1, 3}, {1, 3}}));
}

TEST(Tokenizer, MatchesSpecialTokensOutsideGuardsOnly) {
  const Tokenizer tokenizer = make(test::tiny_llama());
  const std::string text = "a</s>b</s>";
  const std::vector<ByteSpan> user = {{1, 6}};

  EXPECT_EQ(tokens_of(tokenizer, tokenizer.encode(text).ids),
            (Tokens{"▁a", "</s>", "▁", "b", "</s>"}));
  EXPECT_EQ(tokens_of(tokenizer, tokenizer.encode(text, {.guarded = user}).ids),
            (Tokens{"▁a", "<", "/", "s", ">", "b", "</s>"}));
}

TEST(Tokenizer, SuppressesAMatchThatAnyGuardedByteIsPartOf) {
  const Tokenizer tokenizer = make(test::tiny_llama());
  const std::string text = "<s>";
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::vector<ByteSpan> user = {{at, at + 1}};
    EXPECT_EQ(tokenizer.encode(text, {.guarded = user}).ids.size(), 4u) << at;
  }
  const std::vector<ByteSpan> empty = {{1, 1}};
  EXPECT_EQ(tokenizer.encode(text, {.guarded = empty}).ids.size(), 1u);
}

TEST(Tokenizer, FindsATokenThatBeginsInsideASuppressedOne) {
  Json document = test::tiny_llama();
  test::add_token(document, "<s></s>");
  const Tokenizer tokenizer = make(document);
  const std::vector<ByteSpan> user = {{0, 3}};

  EXPECT_EQ(tokens_of(tokenizer, tokenizer.encode("<s></s>", {.guarded = user}).ids).back(),
            "</s>");
}

TEST(Tokenizer, NeverMakesASpecialTokenOfGuardedTextByMerging) {
  Json document = test::tiny_llama();
  test::add_token(document, "▁ab");
  const Tokenizer tokenizer = make(document);
  const std::vector<ByteSpan> user = {{0, 2}};

  EXPECT_EQ(tokens_of(tokenizer, tokenizer.encode("ab ab").ids), (Tokens{"▁ab", "▁ab"}));
  EXPECT_EQ(tokens_of(tokenizer, tokenizer.encode("ab", {.guarded = user}).ids),
            (Tokens{"▁a", "b"}));
}

TEST(Tokenizer, NeverMakesASpecialTokenOfAGuardedWholeWord) {
  Json document = test::tiny_byte_level();
  document["model"]["ignore_merges"] = true;
  test::add_token(document, "cd");
  const Tokenizer tokenizer = make(document);
  const std::vector<ByteSpan> user = {{0, 2}};

  EXPECT_EQ(tokens_of(tokenizer, tokenizer.encode("cd").ids), (Tokens{"cd"}));
  EXPECT_EQ(tokens_of(tokenizer, tokenizer.encode("cd", {.guarded = user}).ids),
            (Tokens{"c", "d"}));
}

TEST(Tokenizer, ReadsBrokenUtf8AsReplacementCharacters) {
  const Tokenizer tokenizer = make(test::tiny_byte_level());
  const std::string broken = "a\xF0\x9F\x98z\xFF\xC3";
  const std::string repaired = "a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD";

  const Encoding encoding = tokenizer.encode(broken, {.want_offsets = true});

  EXPECT_EQ(encoding.ids, tokenizer.encode(repaired).ids);
  EXPECT_EQ(encoding.offsets.front(), (ByteSpan{0, 1}));
  EXPECT_EQ(encoding.offsets[1], (ByteSpan{1, 4}));
  EXPECT_EQ(encoding.offsets.back(), (ByteSpan{6, 7}));
}

TEST(Tokenizer, GuardsTheRightBytesOfBrokenUtf8) {
  const Tokenizer tokenizer = make(test::tiny_byte_level());
  const std::string text = "\xFF\xFF<|end|>\xFF<|end|>";
  const std::vector<ByteSpan> user = {{2, 9}};

  const auto ids = tokenizer.encode(text, {.guarded = user}).ids;

  EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer.id_of("<|end|>")), 1);
  EXPECT_EQ(ids.back(), tokenizer.id_of("<|end|>"));
}

TEST(Tokenizer, StreamsWhatItDecodesAndNeverBrokenUtf8) {
  for (const Json& document :
       {test::tiny_llama(), test::tiny_byte_level(), test::tiny_tokenizer({"a", "b", "é"}, {})}) {
    const Tokenizer tokenizer = make(document);
    std::mt19937 random(7);
    for (int round = 0; round < 500; ++round) {
      std::vector<std::int32_t> ids(random() % 20);
      for (std::int32_t& id : ids)
        id = static_cast<std::int32_t>(random() % (tokenizer.vocab_size() + 2)) - 1;
      StreamDecoder decoder(tokenizer, SpecialTokens::skip);
      std::string joined;
      for (const std::int32_t id : ids) {
        const std::string part = decoder.push(id);
        ASSERT_FALSE(find_invalid_utf8(part));
        joined += part;
      }
      joined += decoder.finish();
      ASSERT_EQ(joined, tokenizer.decode(ids, SpecialTokens::skip));
    }
  }
}

TEST(Tokenizer, StreamsACharacterAsSoonAsItIsWhole) {
  const Tokenizer tokenizer = make(test::tiny_byte_level());
  const auto ids = tokenizer.encode("é!").ids;
  ASSERT_EQ(ids.size(), 3u);
  StreamDecoder decoder(tokenizer, SpecialTokens::keep);

  EXPECT_EQ(decoder.push(ids[0]), "");
  EXPECT_EQ(decoder.push(ids[1]), "é");
  EXPECT_EQ(decoder.push(ids[2]), "!");
}

TEST(Tokenizer, DecodesWhatItEncodes) {
  for (const Json& document : {test::tiny_llama(), test::tiny_byte_level()}) {
    const Tokenizer tokenizer = make(document);
    for (const std::string text :
         {"", "abc", "ab\n\tcd  ", "gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80", "a  <|end|>"})
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text).ids, SpecialTokens::keep), text);
  }
}

TEST(Tokenizer, EncodesABatchOnManyThreadsAsOneByOne) {
  const Tokenizer tokenizer = make(test::tiny_llama());
  std::mt19937 random(3);
  std::vector<std::string> texts(300);
  for (std::string& text : texts)
    for (std::size_t i = random() % 60; i > 0; --i) text += "abcde \n</s>"[random() % 11];
  const std::vector<std::string_view> views(texts.begin(), texts.end());

  const std::vector<Encoding> batch = tokenizer.encode_batch(views, {.want_offsets = true}, 4);

  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Encoding one = tokenizer.encode(texts[i], {.want_offsets = true});
    ASSERT_EQ(batch[i].ids, one.ids);
    ASSERT_EQ(batch[i].offsets, one.offsets);
  }
}

/// Long words go through a heap, short ones through a scan, most through a cache: all must merge as
/// the definition does.
TEST(Tokenizer, MergesWordsOfEveryLengthByTheDefinition) {
  const std::vector<std::string> pieces = {"a", "b", "aa", "ab", "ba", "aab", "aaaa", "abab", "bb"};
  const std::vector<std::pair<std::string, std::string>> merges = {
      {"a", "b"}, {"a", "a"}, {"aa", "aa"}, {"b", "a"}, {"ab", "ab"}, {"a", "ab"}, {"b", "b"}};
  const Tokenizer tokenizer = make(test::tiny_tokenizer(pieces, merges));
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    std::string word;
    for (std::size_t i = random() % 120; i > 0; --i) word += random() % 3 == 0 ? 'b' : 'a';
    Tokens expected;
    for (const char c : word) expected.emplace_back(1, c);
    for (bool merged = true; merged;) {
      merged = false;
      for (const auto& [left, right] : merges) {
        for (std::size_t i = 0; i + 1 < expected.size() && !merged; ++i) {
          if (expected[i] != left || expected[i + 1] != right) continue;
          expected[i] += right;
          expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(i) + 1);
          merged = true;
        }
        if (merged) break;
      }
    }
    ASSERT_EQ(tokens_of(tokenizer, tokenizer.encode(word).ids), expected) << word;
  }
}

TEST(Tokenizer, TakesAMegabyteWithoutWordsInGoodTime) {
  const Tokenizer tokenizer = make(test::tiny_llama());

  const Encoding encoding = tokenizer.encode(std::string(1 << 20, 'a') + std::string(1 << 20, ' '));

  EXPECT_GT(encoding.ids.size(), std::size_t{1} << 20);
}

TEST(Tokenizer, BoundsAnExpressionThatBacktracksWithoutEnd) {
  Json document = test::tiny_byte_level();
  document["pre_tokenizer"] = Json::parse(
      R"({"type":"Split","pattern":{"Regex":"(a+)+[bc]"},"behavior":"Isolated","invert":false})");
  const Tokenizer tokenizer = make(document);

  test::expect_error(ExitCode::data, "takes too long",
                     [&] { tokenizer.encode(std::string(5000, 'a')); });
}

TEST(Tokenizer, KnowsItsTokens) {
  const Tokenizer tokenizer = make(test::tiny_llama());

  EXPECT_EQ(tokenizer.id_of("<s>"), 1);
  EXPECT_EQ(tokenizer.token_of(1), "<s>");
  EXPECT_EQ(tokenizer.id_of("nothing"), std::nullopt);
  EXPECT_EQ(tokenizer.token_of(-1), std::nullopt);
  EXPECT_EQ(tokenizer.token_of(100000), std::nullopt);
  EXPECT_TRUE(tokenizer.is_special(2));
  EXPECT_FALSE(tokenizer.is_special(3));
  EXPECT_EQ(tokenizer.special_ids(), (std::vector<std::int32_t>{0, 1, 2}));
}

}  // namespace
}  // namespace fg::text
