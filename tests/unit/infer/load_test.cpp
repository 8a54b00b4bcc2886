#include <gtest/gtest.h>

#include <fg/infer/complete.hpp>
#include <fg/infer/generate.hpp>
#include <fg/infer/load.hpp>
#include <fg/infer/prompt.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

#include "tiny_model.hpp"

namespace fg::infer {
namespace {

using Ids = std::vector<std::int32_t>;

TEST(LoadModel, GivesTheWeightsOfTheFolder) {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.path());

  const model::Model loaded = load_model(folder.path(), {});
  const model::Model written = test::tiny_model();
  for (std::size_t index = 0; index < written.parameters().layout().logical.size(); ++index)
    EXPECT_TRUE(loaded.parameters().logical(index).equal(written.parameters().logical(index)));
}

TEST(LoadModel, NamesAFolderThatIsNotThere) {
  const test::TemporaryFolder folder;
  write_synced(folder / "file", "x");

  test::expect_error(ExitCode::cannot_load, "nowhere: does not exist",
                     [&] { load_model(folder / "nowhere", {}); });
  test::expect_error(ExitCode::cannot_load, "file: is no folder",
                     [&] { load_model(folder / "file", {}); });
}

TEST(LoadModel, RefusesATokenizerThatDoesNotFit) {
  Json config = test::tiny_config();
  const text::Tokenizer tokenizer =
      text::Tokenizer::from_json(test::tiny_llama().dump(), "tokenizer.json");
  require_fit(arch::parse_model_config(config, "c"), tokenizer, "m");
  config["vocab_size"] = 100;

  test::expect_error(ExitCode::cannot_load, "m: the tokenizer has 276 tokens",
                     [&] { require_fit(arch::parse_model_config(config, "c"), tokenizer, "m"); });
}

TEST(GenerationDefaults, UniteTheEndTokensAndReadTheSampling) {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.path());
  const auto encoder = data::ChatEncoder::load(folder.path());
  const GenerationDefaults without = load_generation_defaults(folder.path(), encoder);
  write_synced(folder / "generation_config.json",
               R"({"eos_token_id": [7, 2], "temperature": 0.6, "top_p": 0.9, "do_sample": true})");
  const GenerationDefaults with = load_generation_defaults(folder.path(), encoder);

  EXPECT_EQ(without.eos_ids, (Ids{2}));
  EXPECT_EQ(without.sampling, (SamplingOptions{.temperature = 0.7}));
  EXPECT_EQ(with.eos_ids, (Ids{2, 7}));
  EXPECT_EQ(with.sampling, (SamplingOptions{.temperature = 0.6, .top_p = 0.9}));
}

TEST(GenerationDefaults, AreGreedyWhereTheModelSaysSo) {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.path());
  write_synced(folder / "generation_config.json", R"({"do_sample": false, "temperature": 0.6})");

  EXPECT_EQ(load_generation_defaults(folder.path(), data::ChatEncoder::load(folder.path()))
                .sampling.temperature,
            0.0);
}

TEST(ParseType, KnowsItsWords) {
  EXPECT_EQ(place("cpu", "auto").type, at::kFloat);
  EXPECT_EQ(place("cpu", "bfloat16").type, at::kBFloat16);
  EXPECT_TRUE(place("auto", "float32").device.is_cpu()) << "a GPU computes in bfloat16 alone";
  test::expect_error(ExitCode::usage, "--dtype bf16: expected", [] { place("cpu", "bf16"); });
}

TEST(Complete, IsOneGreedyAnswerToAUsersMessage) {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.path());
  const auto encoder = data::ChatEncoder::load(folder.path());
  model::Model model = test::tiny_model();
  Generator generator(model, encoder.tokenizer());
  Sampler sampler({.temperature = 0.0}, 0);
  const Answer wanted =
      generator.generate(chat_prompt(encoder, Json::array({message("user", "abc")})),
                         {.max_tokens = 16, .eos_ids = {2}}, sampler);

  EXPECT_EQ(complete(model, encoder, "abc", {.max_tokens = 16}), wanted.text);
  const Answer raw =
      generator.generate(text_prompt(encoder, "abc"),
                         {.max_tokens = 16, .eos_ids = {2}, .continues_prompt = true}, sampler);
  EXPECT_EQ(complete(model, encoder, "abc", {.raw = true, .max_tokens = 16}), raw.text);
}

}  // namespace
}  // namespace fg::infer
