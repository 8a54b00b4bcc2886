#include <gtest/gtest.h>

#include <fg/arch/token_additions.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::arch {
namespace {

const char* const tokenizer = R"({
  "version": "1.0",
  "added_tokens": [
    {"id": 4, "content": "</s>", "special": true, "lstrip": false, "rstrip": false, "single_word": false, "normalized": false},
    {"id": 5, "content": "<w>", "special": false, "lstrip": false, "rstrip": false, "single_word": false, "normalized": false}
  ],
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
    "pair": [{"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "special_tokens": {"</s>": {"id": "</s>", "ids": [4], "tokens": ["</s>"]}}},
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3}, "merges": ["a b"]}
})";

TokenizerFiles files() {
  TokenizerFiles result;
  result.name = "m";
  result.tokenizer_json = tokenizer;
  result.tokenizer_config = R"({"eos_token": "</s>", "model_max_length": 1e30})";
  return result;
}

ModelConfig config(std::int64_t rows = 6) {
  return parse_model_config(Json{{"model_type", "llama"},
                                 {"vocab_size", rows},
                                 {"eos_token_id", 4},
                                 {"bos_token_id", nullptr}},
                            "c");
}

RoleRule rule(const char* token) {
  return {token, std::nullopt, false};
}

TokenAdditions chatml() {
  TokenAdditions additions;
  additions.eos_token = rule("<e>");
  additions.special_tokens = {"<b>"};
  additions.pad_token = RoleRule{"<p>", RowInit{RowInit::Kind::zero, 0, ""}, true};
  return additions;
}

using Init = NewRow::Init;

TEST(TokenAdditions, CopiesTheOldRolesRowAndNumbersOn) {
  const TokenPlan plan = plan_token_additions(chatml(), files(), config());

  EXPECT_EQ(plan.rows,
            (std::vector<NewRow>{
                {6, "<e>", Init::copy, 4}, {7, "<b>", Init::mean, 0}, {8, "<p>", Init::zero, 0}}));
  EXPECT_EQ(plan.new_rows, 9);
  EXPECT_EQ(plan.mean_rows, 6);
  EXPECT_EQ(plan.ids, (TokenIds{std::nullopt, 6, 8}));
  const Json after = Json::parse(plan.files.tokenizer_json);
  EXPECT_EQ(after["added_tokens"].size(), 5U);
  EXPECT_EQ(after["added_tokens"][2]["id"], 6);
  EXPECT_EQ(after["added_tokens"][2]["special"], true);
}

TEST(TokenAdditions, MovesAnEosThatIsAppendedAndNoOther) {
  const TokenPlan plan = plan_token_additions(chatml(), files(), config());

  const Json processor = Json::parse(plan.files.tokenizer_json)["post_processor"];
  EXPECT_EQ(processor["single"][1]["SpecialToken"]["id"], "<e>");
  EXPECT_EQ(processor["pair"][0]["SpecialToken"]["id"], "</s>");
  EXPECT_EQ(processor["special_tokens"]["<e>"]["ids"], Json::array({6}));
  EXPECT_TRUE(processor["special_tokens"].contains("</s>"));
}

TEST(TokenAdditions, NeverTouchesTheRowOfATokenThatExists) {
  TokenAdditions additions;
  additions.eos_token = RoleRule{"<w>", RowInit{RowInit::Kind::zero, 0, ""}, false};
  additions.pad_token = rule("ab");
  additions.special_tokens = {"c", "<w>"};
  additions.regular_tokens = {"a"};

  const TokenPlan plan = plan_token_additions(additions, files(), config());

  EXPECT_TRUE(plan.rows.empty());
  EXPECT_EQ(plan.new_rows, 6);
  EXPECT_EQ(plan.ids, (TokenIds{std::nullopt, 5, 2}));
  const Json added = Json::parse(plan.files.tokenizer_json)["added_tokens"];
  EXPECT_EQ(added.size(), 4U);
  EXPECT_EQ(added[1]["special"], true);
  EXPECT_EQ(added[2]["content"], "c");
  EXPECT_EQ(added[3]["id"], 2);
}

TEST(TokenAdditions, AddsPadOnlyWhereThereIsNone) {
  TokenizerFiles with_pad = files();
  with_pad.tokenizer_config = R"({"eos_token": "</s>", "pad_token": {"content": "<w>"}})";
  TokenPlanOptions skip;
  skip.skip_default_tokens = true;

  const TokenPlan added = plan_token_additions({}, files(), config());
  const TokenPlan present = plan_token_additions({}, with_pad, config());
  const TokenPlan skipped = plan_token_additions({}, files(), config(), skip);

  EXPECT_EQ(added.rows, (std::vector<NewRow>{{6, "[PAD]", Init::zero, 0}}));
  EXPECT_NE(added.notes[1].find("'[PAD]' (id 6)"), std::string::npos);
  EXPECT_EQ(*added.files.tokenizer_config,
            "{\"eos_token\": \"</s>\", \"model_max_length\": 1e30,\"pad_token\":\"[PAD]\"}");
  EXPECT_TRUE(present.rows.empty());
  EXPECT_EQ(present.ids.pad, 5);
  EXPECT_EQ(skipped.files.tokenizer_json, tokenizer);
  EXPECT_EQ(skipped.files.tokenizer_config, files().tokenizer_config);
}

TEST(TokenAdditions, UsesSpareRowsFirst) {
  const TokenPlan plan = plan_token_additions(chatml(), files(), config(8));

  EXPECT_EQ(plan.new_rows, 9);
  EXPECT_EQ(plan.mean_rows, 6);
  EXPECT_NE(plan.notes[0].find("spare row"), std::string::npos);
}

TEST(TokenAdditions, RoundsTheTableUp) {
  TokenPlanOptions options;
  options.pad_vocab_to = 8;
  EXPECT_EQ(plan_token_additions(chatml(), files(), config(), options).new_rows, 16);
  options.pad_vocab_to = 5000;
  EXPECT_EQ(plan_token_additions(chatml(), files(), config(), options).new_rows, 5000);
  options.pad_vocab_to = -1;
  test::expect_error(ExitCode::usage, "--pad-vocab-to -1",
                     [&] { plan_token_additions(chatml(), files(), config(), options); });
}

TEST(TokenAdditions, ReadsInitRules) {
  EXPECT_EQ(parse_row_init("mean"), (RowInit{RowInit::Kind::mean, 0, ""}));
  EXPECT_EQ(parse_row_init("copy:17"), (RowInit{RowInit::Kind::copy_id, 17, ""}));
  EXPECT_EQ(parse_row_init("copy:</s>"), (RowInit{RowInit::Kind::copy_token, 0, "</s>"}));
  EXPECT_EQ(parse_row_init("copy:"), std::nullopt);
  EXPECT_EQ(parse_row_init("random"), std::nullopt);

  TokenAdditions additions;
  additions.eos_token = RoleRule{"<e>", parse_row_init("copy:b"), false};
  const TokenPlan plan = plan_token_additions(additions, files(), config());
  EXPECT_EQ(plan.rows[0], (NewRow{6, "<e>", Init::copy, 1}));
}

TEST(TokenAdditions, RefusesTokenizersThatCannotBe) {
  const auto refused = [](const std::string& text, const std::string& part, std::int64_t rows = 6) {
    TokenizerFiles broken = files();
    broken.tokenizer_json = text;
    test::expect_error(ExitCode::cannot_load, part,
                       [&] { plan_token_additions({}, broken, config(rows)); });
  };

  refused("{", "m/tokenizer.json: ");
  refused("{}", "model.vocab is not an object");
  refused(R"({"model": {"vocab": [["a", -1.0]]}})", "model.vocab");
  refused(R"({"model": {"vocab": {"a": 0, "b": 2}}})", "holes");
  refused(R"({"model": {"vocab": {"a": 0, "b": 0}}})", "two tokens");
  refused(R"({"model": {"vocab": {"a": 0, "a": 1}}})", "twice");
  refused(R"({"model": {"vocab": {"a": -1}}})", "the id of 'a' is -1");
  refused(R"({"model": {"vocab": {"a": 18446744073709551615}}})", "the id of 'a'");
  refused(R"({"model": {"vocab": {"a": "b"}}})", "'a' has no id");
  refused(R"({"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 1}]})",
          "added_tokens[0].content");
  refused(R"({"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 1, "content": "a"}]})",
          "added_tokens[0].id");
  refused(R"({"model": {"vocab": {"a": 0}}, "added_tokens": 3})", "'added_tokens' is 3");
  refused(std::string(200, '['), "nested deeper");
  refused(tokenizer, "tokenizer.json has 6 tokens, but config.json's vocab_size is 5", 5);
}

TEST(TokenAdditions, PreservesOrReplacesTheChatTemplate) {
  TokenizerFiles with_template = files();
  with_template.tokenizer_config =
      R"({"chat_template": [{"name": "default", "template": "d"}, {"name": "rag", "template": "r"}]})";
  TokenPlanOptions options;
  const TokenPlan kept = plan_token_additions({}, with_template, config(), options);
  options.chat_template = "new";
  const TokenPlan replaced = plan_token_additions({}, with_template, config(), options);

  EXPECT_EQ(kept.chat_templates,
            (std::vector<ChatTemplateFile>{{"chat_template.jinja", "d"},
                                           {"additional_chat_templates/rag.jinja", "r"}}));
  EXPECT_EQ(replaced.chat_templates,
            (std::vector<ChatTemplateFile>{{"chat_template.jinja", "new"}}));
  EXPECT_EQ(replaced.warnings.size(), 1U);
  EXPECT_FALSE(Json::parse(*replaced.files.tokenizer_config).contains("chat_template"));
  with_template.tokenizer_config = R"({"chat_template": [{"name": "../x", "template": "d"}]})";
  test::expect_error(ExitCode::cannot_load, "chat_template[0].name",
                     [&] { plan_token_additions({}, with_template, config()); });
}

}  // namespace
}  // namespace fg::arch
