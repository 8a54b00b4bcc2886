#include <gtest/gtest.h>

#include <fg/config/token_additions.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::config {
namespace {

using arch::RowInit;
using test::expect_error;

TEST(TokenAdditions, ReadsRolesInBothSpellingsAndLists) {
  const auto additions = parse_token_additions(
      "eos_token: \"<|im_end|>\"\n"
      "pad_token: {token: \"<|pad|>\", init: zero, if_missing: true}\n"
      "unk_token:\n  token: <unk>\n  init: copy:3\n"
      "special_tokens: [\"<|im_start|>\"]\n"
      "regular_tokens:\n  - one\n  - two\n",
      "f.yaml");

  EXPECT_EQ(additions.eos_token->token, "<|im_end|>");
  EXPECT_EQ(additions.eos_token->init, std::nullopt);
  EXPECT_EQ(additions.pad_token->init->kind, RowInit::Kind::zero);
  EXPECT_TRUE(additions.pad_token->if_missing);
  EXPECT_EQ(additions.unk_token->init->id, 3);
  EXPECT_EQ(additions.special_tokens, std::vector<std::string>{"<|im_start|>"});
  EXPECT_EQ(additions.regular_tokens.size(), 2u);
  EXPECT_FALSE(additions.bos_token.has_value());
}

TEST(TokenAdditions, ReadsAnEmptyFileAsNothingToAdd) {
  EXPECT_EQ(parse_token_additions("# nothing\n", "f.yaml"), arch::TokenAdditions{});
}

TEST(TokenAdditions, NamesEveryMistakeWithItsLine) {
  const auto all =
      "eos_tokn: \"</s>\"\n"
      "pad_token:\n  tokn: \"<pad>\"\n  init: random\n  if_missing: \"true\"\n"
      "special_tokens: one\n";
  const auto refused = [&](const std::string& part) {
    expect_error(ExitCode::usage, part, [&] { parse_token_additions(all, "f.yaml"); });
  };
  refused("f.yaml:1: unknown key 'eos_tokn'; did you mean 'eos_token'?");
  refused("f.yaml:3: unknown key 'tokn'; did you mean 'token'?");
  refused("pad_token needs the key 'token'");
  refused("f.yaml:4: pad_token.init is 'random'; expected mean, zero, copy:ID or copy:TOKEN");
  refused("f.yaml:5: pad_token.if_missing must be true or false");
  refused("f.yaml:6: special_tokens must be a list of tokens");
}

TEST(TokenAdditions, RefusesAFileThatIsNoMap) {
  expect_error(ExitCode::usage, "f.yaml:1: expected keys",
               [] { parse_token_additions("- a\n", "f.yaml"); });
  expect_error(ExitCode::usage, "No such file", [] { read_token_additions("no/such.yaml"); });
}

TEST(TokenAdditions, RefusesATokenListedTwice) {
  expect_error(ExitCode::usage, "<a>",
               [] { parse_token_additions("special_tokens: [\"<a>\", \"<a>\"]\n", "f.yaml"); });
}

}  // namespace
}  // namespace fg::config
