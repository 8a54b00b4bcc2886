#include <string>

#include <gtest/gtest.h>

#include <fg/base/file.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>
#include <fg/text/sentencepiece.hpp>
#include <fg/text/tokenizer.hpp>

namespace fg::text {
namespace {

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string number_field(std::uint64_t number, std::uint64_t value) {
  return varint(number << 3) + varint(value);
}
std::string bytes_field(std::uint64_t number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string piece(const std::string& text, std::uint64_t type = 1) {
  const std::string score = varint(2 << 3 | 5) + std::string(4, '\0');
  return bytes_field(1, bytes_field(1, text) + score + number_field(3, type));
}

/// A small BPE model; `trainer` and `normalizer` are fields that come on top.
std::string model(const std::string& trainer = "", const std::string& normalizer = "") {
  std::string bytes = piece("<unk>", 2) + piece("<s>", 3) + piece("</s>", 3);
  for (unsigned byte = 0; byte < 256; ++byte) {
    constexpr const char* digits = "0123456789ABCDEF";
    bytes += piece(std::string("<0x") + digits[byte >> 4] + digits[byte & 15] + ">", 6);
  }
  for (const char* text : {"▁a", "ab", "▁ab", "▁", "a", "b"}) bytes += piece(text);
  bytes += piece("<user>", 4);
  bytes += bytes_field(2, number_field(3, 2) + number_field(35, 1) + trainer);
  return bytes + bytes_field(3, bytes_field(1, "identity") + number_field(4, 0) + normalizer);
}

void expect_refused(const std::string& part, const std::string& bytes) {
  test::expect_error(ExitCode::cannot_load, part,
                     [&] { tokenizer_json_from_sentencepiece(bytes, "m.model"); });
}

TEST(SentencePiece, BecomesATokenizer) {
  const Tokenizer tokenizer =
      Tokenizer::from_json(tokenizer_json_from_sentencepiece(model(), "m.model"), "m.model");

  EXPECT_EQ(tokenizer.vocab_size(), 266u);
  EXPECT_EQ(tokenizer.encode("ab").ids, (std::vector<std::int32_t>{1, *tokenizer.id_of("▁ab")}));
  EXPECT_EQ(tokenizer.special_ids(), (std::vector<std::int32_t>{0, 1, 2}));
  EXPECT_EQ(tokenizer.encode("<user>").ids.back(), 265);
}

TEST(SentencePiece, TakesTokensFromTheConfig) {
  TokenizerConfig config;
  config.add_bos_token = false;
  config.add_eos_token = true;
  config.added_tokens = {
      {.id = 266, .content = "<|im_end|>", .normalized = false, .special = true}};

  const Tokenizer tokenizer = Tokenizer::from_json(
      tokenizer_json_from_sentencepiece(model(), "m.model", config), "m.model");

  EXPECT_EQ(tokenizer.encode("<|im_end|>").ids, (std::vector<std::int32_t>{266, 2}));
  config.added_tokens[0].id = 300;
  test::expect_error(ExitCode::cannot_load, "has id 300, but 266 is its place",
                     [&] { tokenizer_json_from_sentencepiece(model(), "m.model", config); });
  config.bos_token = "<none>";
  config.add_bos_token = true;
  config.added_tokens.clear();
  test::expect_error(ExitCode::cannot_load, "'<none>' has no piece",
                     [&] { tokenizer_json_from_sentencepiece(model(), "m.model", config); });
}

TEST(SentencePiece, LeavesOutThePrefixWhereTheModelDoes) {
  const std::string json =
      tokenizer_json_from_sentencepiece(model("", number_field(3, 0)), "m.model");

  EXPECT_NE(json.find("\"prepend_scheme\":\"never\""), std::string::npos);
  EXPECT_EQ(json.find("Strip"), std::string::npos);
}

TEST(SentencePiece, NamesWhatItDoesNotSupport) {
  expect_refused("model_type Unigram", model(number_field(3, 1)));
  expect_refused("model_type 4", model(number_field(3, 4)));
  expect_refused("byte_fallback false", model(number_field(35, 0)));
  expect_refused("treat_whitespace_as_suffix", model(number_field(24, 1)));
  expect_refused("precompiled_charsmap ('identity')", model("", bytes_field(2, "xyz")));
  expect_refused("remove_extra_whitespaces", model("", number_field(4, 1)));
  expect_refused("escape_whitespaces", model("", number_field(5, 0)));
  expect_refused("tiktoken", "IQ== 0\nIg== 1\n");
  expect_refused("'ab' comes twice", model() + piece("ab"));
}

TEST(SentencePiece, RefusesDamagedFilesAtAnyCut) {
  const std::string whole = model();
  expect_refused("it has no pieces", "");
  expect_refused("type 9", piece("x", 9) + whole);
  expect_refused("empty or not UTF-8", piece("\xFF") + whole);
  expect_refused("wire type 7", "\x0F");
  expect_refused("more than 64 bits", std::string(11, '\xFF'));
  expect_refused("are left", varint(1 << 3 | 2) + varint(~std::uint64_t{0}));
  for (std::size_t size = 1; size < whole.size(); ++size) {
    try {
      tokenizer_json_from_sentencepiece(std::string_view(whole).substr(0, size), "m.model");
      ADD_FAILURE() << "accepted when cut to " << size;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::cannot_load);
    }
  }
}

TEST(TokenizerConfig, ReadsStringsAndObjects) {
  const test::TemporaryFolder folder;
  write_synced(
      folder / "tokenizer_config.json",
      R"({"bos_token":"<s>","eos_token":{"content":"</s>","lstrip":false},"pad_token":null,)"
      R"("add_bos_token":true,"chat_template":[{"name":"default","template":"d"},)"
      R"({"name":"tool_use","template":"t"}],)"
      R"("added_tokens_decoder":{"9":{"content":"z","special":true},"2":{"content":"y"}}})");
  write_synced(folder / "special_tokens_map.json",
               R"({"unk_token":"<unk>","bos_token":"<other>"})");

  const TokenizerConfig config = TokenizerConfig::load(folder.path());

  EXPECT_EQ(config.bos_token, "<s>");
  EXPECT_EQ(config.eos_token, "</s>");
  EXPECT_EQ(config.unk_token, "<unk>");
  EXPECT_EQ(config.pad_token, std::nullopt);
  EXPECT_EQ(config.add_bos_token, true);
  EXPECT_EQ(config.add_eos_token, std::nullopt);
  EXPECT_EQ(config.chat_template, "d");
  ASSERT_EQ(config.named_templates.size(), 2u);
  ASSERT_EQ(config.added_tokens.size(), 2u);
  EXPECT_EQ(config.added_tokens[0].content, "y");
  EXPECT_TRUE(config.added_tokens[1].special);
}

TEST(TokenizerConfig, NamesTheKeyThatIsWrong) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(TokenizerConfig::load(folder.path()).bos_token, std::nullopt);
  write_synced(folder / "tokenizer_config.json", R"({"bos_token":{"id":3}})");
  test::expect_error(ExitCode::cannot_load,
                     "tokenizer_config.json.bos_token: key 'content' is missing",
                     [&] { TokenizerConfig::load(folder.path()); });
}

}  // namespace
}  // namespace fg::text
