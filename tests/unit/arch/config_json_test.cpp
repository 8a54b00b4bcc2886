#include <gtest/gtest.h>

#include <fg/arch/config_json.hpp>
#include <fg/arch/model_config.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::arch {
namespace {

TEST(ConfigJson, AddsTheNewSpellingToTheOld) {
  const Json source{{"model_type", "llama"},
                    {"rope_scaling", Json{{"factor", 2.0}, {"type", "linear"}}},
                    {"rope_theta", 5000.0},
                    {"torch_dtype", "bfloat16"}};

  const Json both = with_both_spellings(source);

  for (const auto& [key, value] : source.items()) EXPECT_EQ(both[key], value) << key;
  EXPECT_EQ(both["dtype"], "bfloat16");
  EXPECT_EQ(both["rope_parameters"],
            (Json{{"factor", 2.0}, {"rope_type", "linear"}, {"rope_theta", 5000.0}}));
  EXPECT_EQ(with_both_spellings(both), both);
}

TEST(ConfigJson, AddsTheOldSpellingToTheNew) {
  const Json source{
      {"model_type", "llama"},
      {"max_position_embeddings", 64},
      {"dtype", "float16"},
      {"rope_parameters", Json{{"rope_type", "yarn"}, {"factor", 4.0}, {"rope_theta", 5000.0}}}};

  const Json both = with_both_spellings(source);

  EXPECT_EQ(both["torch_dtype"], "float16");
  EXPECT_EQ(both["rope_theta"], 5000.0);
  EXPECT_EQ(
      both["rope_scaling"],
      (Json{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}}));
  EXPECT_EQ(with_both_spellings(both), both);
  EXPECT_EQ(parse_model_config(both, "c").rope, parse_model_config(source, "c").rope);
}

TEST(ConfigJson, LeavesASilentFileSilent) {
  const Json source{{"model_type", "qwen3"}};

  EXPECT_EQ(with_both_spellings(source), source);
}

TEST(ConfigJson, MarksWhatFgWrote) {
  const Json source{{"model_type", "llama"}, {"vocab_size", 8}};
  const FgObject object{1, "llama", "bfloat16"};

  const Json marked = with_fg_object(source, object);

  EXPECT_EQ(find_fg_object(marked, "c"), object);
  EXPECT_EQ(find_fg_object(source, "c"), std::nullopt);
  EXPECT_EQ(without_fg_object(marked), source);
}

TEST(ConfigJson, RefusesAnObjectOfANewerFormat) {
  const Json newer{{"fg", Json{{"format_version", 2}}}};
  const Json wrong{{"fg", "yes"}};

  test::expect_error(ExitCode::cannot_load, "'fg.format_version' is 2",
                     [&] { find_fg_object(newer, "c"); });
  test::expect_error(ExitCode::cannot_load, "'fg' is \"yes\"", [&] { find_fg_object(wrong, "c"); });
}

}  // namespace
}  // namespace fg::arch
