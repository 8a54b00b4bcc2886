#include <gtest/gtest.h>

#include <fg/arch/generation_config.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::arch {
namespace {

TEST(GenerationConfig, UnitesTheListsInOrder) {
  const Json config{{"eos_token_id", 2}};
  const Json generation{{"eos_token_id", Json::array({7, 2})}, {"temperature", 0.6}};

  const AgreedConfigs agreed = agree_on_tokens(config, generation, {1, 5, 9}, "m");

  EXPECT_EQ(agreed.config["eos_token_id"], Json::array({2, 7, 5}));
  EXPECT_EQ(*agreed.generation, (Json{{"eos_token_id", Json::array({2, 7, 5})},
                                      {"temperature", 0.6},
                                      {"bos_token_id", 1},
                                      {"pad_token_id", 9}}));
}

TEST(GenerationConfig, KeepsTheListOfAnInstructModel) {
  const Json list = Json::array({128001, 128008, 128009});
  const Json both{{"eos_token_id", list}};

  const AgreedConfigs agreed =
      agree_on_tokens(both, both, {std::nullopt, 128009, std::nullopt}, "m");

  EXPECT_EQ(agreed.config, both);
  EXPECT_EQ(*agreed.generation, both);
}

TEST(GenerationConfig, KeepsTheSpellingOfASingleId) {
  const AgreedConfigs scalar = agree_on_tokens(Json{{"eos_token_id", 2}}, {}, {{}, 2, {}}, "m");
  const AgreedConfigs list =
      agree_on_tokens(Json{{"eos_token_id", Json::array({2})}}, {}, {{}, 2, {}}, "m");

  EXPECT_EQ(scalar.config["eos_token_id"], 2);
  EXPECT_EQ(list.config["eos_token_id"], Json::array({2}));
  EXPECT_EQ((*scalar.generation)["eos_token_id"], 2);
}

TEST(GenerationConfig, IsMadeOnlyWhenThereIsSomethingToSay) {
  const AgreedConfigs nothing = agree_on_tokens(Json::object(), {}, {}, "m");
  const AgreedConfigs something = agree_on_tokens(Json{{"bos_token_id", 1}}, {}, {1, 2, {}}, "m");

  EXPECT_FALSE(nothing.generation.has_value());
  EXPECT_EQ(*something.generation, (Json{{"bos_token_id", 1}, {"eos_token_id", 2}}));
  EXPECT_FALSE(something.notes.empty());
}

TEST(GenerationConfig, SaysWhichIdsItCorrected) {
  const AgreedConfigs agreed = agree_on_tokens(Json{{"bos_token_id", 0}}, {}, {1, {}, {}}, "m");

  EXPECT_EQ(agreed.config["bos_token_id"], 1);
  EXPECT_NE(agreed.notes[0].find("it was 0"), std::string::npos);
}

TEST(GenerationConfig, RefusesIdsThatCannotBe) {
  for (const Json& eos : {Json(-1), Json("2"), Json::array({1, 2.5}), Json(Json::array({nullptr}))})
    test::expect_error(ExitCode::cannot_load, "m/generation_config.json: 'eos_token_id' is", [&] {
      agree_on_tokens(Json::object(), Json{{"eos_token_id", eos}}, {}, "m");
    });
}

TEST(GenerationConfig, TellsWhatTheFileSaysOfSampling) {
  const Json generation{
      {"do_sample", true}, {"temperature", 0.6}, {"top_p", 0.9}, {"top_k", nullptr}};

  SamplingDefaults wanted;
  wanted.do_sample = true;
  wanted.temperature = 0.6;
  wanted.top_p = 0.9;
  EXPECT_EQ(parse_sampling_defaults(generation, "g.json"), wanted);
  EXPECT_EQ(parse_sampling_defaults(Json::object(), "g.json"), SamplingDefaults());
}

TEST(GenerationConfig, RefusesSamplingThatCannotBe) {
  for (const Json& generation :
       {Json{{"temperature", -1}}, Json{{"top_p", 1.5}}, Json{{"top_k", 2.5}}, Json{{"min_p", "x"}},
        Json{{"repetition_penalty", 0}}, Json{{"do_sample", 1}}})
    test::expect_error(ExitCode::cannot_load, "g.json: '",
                       [&] { parse_sampling_defaults(generation, "g.json"); });
}

}  // namespace
}  // namespace fg::arch
