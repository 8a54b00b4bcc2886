#include "text_output.hpp"

#include <gtest/gtest.h>

#include "../text/tiny_tokenizer.hpp"

namespace fg::infer {
namespace {

using Ids = std::vector<std::int32_t>;

text::Tokenizer llama() {
  return text::Tokenizer::from_json(test::tiny_llama().dump(), "tiny");
}

std::int32_t id_of(const text::Tokenizer& tokenizer, const std::string& token) {
  return tokenizer.id_of(token).value();
}

struct Result {
  std::vector<std::string> pieces;
  std::string text;
  bool stopped = false;
};

Result put_out(const text::Tokenizer& tokenizer, const Ids& before, const Ids& ids,
               const std::vector<std::string>& stop) {
  Result result;
  TextOutput output(tokenizer, before, stop,
                    [&](std::string_view piece) { result.pieces.emplace_back(piece); });
  for (const std::int32_t id : ids) output.push(id);
  output.finish();
  result.text = output.text();
  result.stopped = output.stopped();
  return result;
}

TEST(TextOutput, ShowsWholeCharactersOnly) {
  const text::Tokenizer tokenizer = llama();
  const Ids ids = {id_of(tokenizer, "a"), id_of(tokenizer, "<0xC3>"), id_of(tokenizer, "<0xA9>"),
                   id_of(tokenizer, "b")};

  const Result result = put_out(tokenizer, {}, ids, {});

  EXPECT_EQ(result.text, "aéb");
  for (const std::string& piece : result.pieces)
    EXPECT_TRUE(piece.find("\xC3") == std::string::npos || piece.find("é") != std::string::npos);
}

TEST(TextOutput, FindsAStopStringThatTokensCut) {
  const text::Tokenizer tokenizer = llama();
  const Ids ids = {id_of(tokenizer, "ab"), id_of(tokenizer, "cd"), id_of(tokenizer, "e")};

  const Result result = put_out(tokenizer, {}, ids, {"bc"});

  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.text, "a");
  EXPECT_EQ(result.pieces, std::vector<std::string>{"a"});
}

TEST(TextOutput, FindsAStopStringInsideACharacterOfSeveralTokens) {
  const text::Tokenizer tokenizer = llama();
  const Ids ids = {id_of(tokenizer, "a"), id_of(tokenizer, "<0xC3>"), id_of(tokenizer, "<0xA9>"),
                   id_of(tokenizer, "b")};

  const Result result = put_out(tokenizer, {}, ids, {"é"});

  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.text, "a");
}

TEST(TextOutput, LeavesOutSpecialTokens) {
  const text::Tokenizer tokenizer = llama();

  EXPECT_EQ(put_out(tokenizer, {}, {id_of(tokenizer, "a"), 2, id_of(tokenizer, "b")}, {}).text,
            "ab");
}

TEST(TextOutput, KeepsTheSpaceBehindWhatItGoesOnFrom) {
  const text::Tokenizer tokenizer = llama();
  const Ids before = {1, id_of(tokenizer, "▁a"), id_of(tokenizer, "b")};
  const Ids ids = {id_of(tokenizer, "▁ab"), id_of(tokenizer, "cd")};

  EXPECT_EQ(put_out(tokenizer, before, ids, {}).text, " abcd");
  EXPECT_EQ(put_out(tokenizer, {}, ids, {}).text, "abcd");
}

TEST(TextOutput, LooksForStopStringsInTheAnswerOnly) {
  const text::Tokenizer tokenizer = llama();
  const Ids before = {1, id_of(tokenizer, "▁a"), id_of(tokenizer, "b")};

  const Result result = put_out(tokenizer, before, {id_of(tokenizer, "cd")}, {"ab", "bc"});

  EXPECT_FALSE(result.stopped);
  EXPECT_EQ(result.text, "cd");
}

}  // namespace
}  // namespace fg::infer
