#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include <fg/infer/generate.hpp>
#include <fg/test/expect_error.hpp>

#include "tiny_model.hpp"

namespace fg::infer {
namespace {

using Ids = std::vector<std::int32_t>;

class GeneratorTest : public testing::Test {
protected:
  static constexpr SamplingOptions greedy = {.temperature = 0.0};

  Answer answer(Generator& generator, const Ids& prompt, const GenerateOptions& options,
                const SamplingOptions& sampling = greedy, std::uint64_t seed = 1) {
    Sampler sampler(sampling, seed);
    return generator.generate(prompt, options, sampler);
  }
  Answer fresh_answer(const Ids& prompt, const GenerateOptions& options,
                      const SamplingOptions& sampling = greedy, std::uint64_t seed = 1) {
    Generator generator(model_, tokenizer_);
    return answer(generator, prompt, options, sampling, seed);
  }

  model::Model model_ = test::tiny_model();
  text::Tokenizer tokenizer_ = text::Tokenizer::from_json(test::tiny_llama().dump(), "tiny");
  const Ids prompt_ = {1, 260, 262, 265, 270};
};

/// The likeliest next token each time, by whole passes over all tokens so far.
Ids by_whole_passes(model::Model& model, Ids ids, std::size_t count) {
  const std::size_t prompt = ids.size();
  while (ids.size() < prompt + count) {
    const std::vector<std::int64_t> wide(ids.begin(), ids.end()), targets(ids.size(), -1);
    const std::int64_t length = static_cast<std::int64_t>(ids.size());
    const at::Tensor logits =
        model.logits(model.make_batch(wide, {&length, 1}, targets)).contiguous();
    const float* const last = logits.const_data_ptr<float>() + (length - 1) * logits.size(1);
    ids.push_back(static_cast<std::int32_t>(std::max_element(last, last + logits.size(1)) - last));
  }
  return {ids.begin() + static_cast<std::ptrdiff_t>(prompt), ids.end()};
}

TEST_F(GeneratorTest, GivesWhatWholePassesGive) {
  const Answer given = fresh_answer(prompt_, {.max_tokens = 24});

  EXPECT_EQ(given.ids, by_whole_passes(model_, prompt_, 24));
  EXPECT_EQ(given.finish, Finish::length);
  EXPECT_EQ(given.prompt_tokens, 5);
  EXPECT_EQ(given.cached_tokens, 0);
  EXPECT_FALSE(given.out_of_positions);
}

TEST_F(GeneratorTest, TakesALongPromptInParts) {
  Ids prompt(530);
  std::iota(prompt.begin(), prompt.end(), 0);
  for (std::int32_t& id : prompt) id = id * 7 % 280;

  EXPECT_EQ(fresh_answer(prompt, {.max_tokens = 4}).ids, by_whole_passes(model_, prompt, 4));
}

TEST_F(GeneratorTest, EndsAtEachOfSeveralEndTokens) {
  const Ids all = fresh_answer(prompt_, {.max_tokens = 24}).ids;
  for (const std::size_t at : {0u, 3u, 9u}) {
    const auto first = std::find(all.begin(), all.end(), all[at]);
    const Answer ended = fresh_answer(prompt_, {.max_tokens = 24, .eos_ids = {279, all[at], 278}});

    EXPECT_EQ(ended.finish, Finish::eos);
    EXPECT_EQ(ended.ids, Ids(all.begin(), first + 1));
  }
}

TEST_F(GeneratorTest, GoesOnFromACommonBeginningAsFromNothing) {
  Generator generator(model_, tokenizer_);
  const Answer first = answer(generator, prompt_, {.max_tokens = 12});
  Ids second = prompt_;
  second.insert(second.end(), first.ids.begin(), first.ids.begin() + 6);
  second.insert(second.end(), {264, 266});
  Ids third = prompt_;
  third.back() = 261;

  const Answer after_first = answer(generator, second, {.max_tokens = 12});
  EXPECT_EQ(after_first.ids, fresh_answer(second, {.max_tokens = 12}).ids);
  EXPECT_GE(after_first.cached_tokens, 11);
  const Answer after_second = answer(generator, third, {.max_tokens = 12});
  EXPECT_EQ(after_second.ids, fresh_answer(third, {.max_tokens = 12}).ids);
  EXPECT_EQ(after_second.cached_tokens, 4);
  const Answer again = answer(generator, third, {.max_tokens = 12});
  EXPECT_EQ(again.ids, after_second.ids);
  EXPECT_EQ(again.cached_tokens, 4);
}

TEST_F(GeneratorTest, GivesTheSameTextForTheSameSeed) {
  const SamplingOptions warm = {.temperature = 1.5, .top_k = 50};
  const GenerateOptions options = {.max_tokens = 32};

  EXPECT_EQ(fresh_answer(prompt_, options, warm, 5).text,
            fresh_answer(prompt_, options, warm, 5).text);
  EXPECT_NE(fresh_answer(prompt_, options, warm, 5).ids,
            fresh_answer(prompt_, options, warm, 6).ids);
}

TEST_F(GeneratorTest, TakesASpecialTokensNameForTheToken) {
  // With the likeliest token special, its name as a stop string ends the answer at once.
  const std::int32_t likeliest = fresh_answer(prompt_, {.max_tokens = 1}).ids.at(0);
  Json document = test::tiny_llama();
  const std::string name(tokenizer_.token_of(likeliest).value_or("?"));
  test::add_token(document, name);
  tokenizer_ = text::Tokenizer::from_json(document.dump(), "tiny");

  const Answer ended = fresh_answer(prompt_, {.max_tokens = 24, .stop = {name}});

  EXPECT_EQ(ended.finish, Finish::stop);
  EXPECT_EQ(ended.ids, Ids{likeliest});
  EXPECT_EQ(ended.text, "");
}

TEST_F(GeneratorTest, EndsWhereTheModelsPositionsEnd) {
  Json config = test::tiny_config();
  config["max_position_embeddings"] = 8;
  model_ = test::tiny_model(config);

  const Answer ended = fresh_answer(prompt_, {.max_tokens = 24});
  EXPECT_EQ(ended.ids.size(), 3u);
  EXPECT_EQ(ended.finish, Finish::length);
  EXPECT_TRUE(ended.out_of_positions);
  EXPECT_FALSE(fresh_answer(prompt_, {.max_tokens = 3}).out_of_positions);
}

TEST_F(GeneratorTest, RefusesPromptsItCannotGoOnFrom) {
  Json config = test::tiny_config();
  config["max_position_embeddings"] = 5;
  test::expect_error(ExitCode::data, "empty", [&] { fresh_answer({}, {}); });
  test::expect_error(ExitCode::data, "token id 280", [&] { fresh_answer({1, 280}, {}); });
  test::expect_error(ExitCode::data, "token id -1", [&] { fresh_answer({-1}, {}); });
  model_ = test::tiny_model(config);
  test::expect_error(ExitCode::data, "5 tokens and the model 5 positions",
                     [&] { fresh_answer(prompt_, {}); });
}

TEST_F(GeneratorTest, StopsWhenItIsInterruptedAndGoesOnRightAfterwards) {
  Generator generator(model_, tokenizer_);
  Sampler sampler(greedy, 1);
  int asked = 0;
  const Answer cut =
      generator.generate(prompt_, {.max_tokens = 24}, sampler,
                         {.on_text = {}, .interrupted = [&] { return ++asked > 4; }});

  const Ids all = fresh_answer(prompt_, {.max_tokens = 24}).ids;
  EXPECT_EQ(cut.finish, Finish::interrupted);
  EXPECT_EQ(cut.ids, Ids(all.begin(), all.begin() + 4));
  EXPECT_EQ(answer(generator, prompt_, {.max_tokens = 24}).ids, all);
}

TEST_F(GeneratorTest, ShowsWhatTheAnswerHolds) {
  Generator generator(model_, tokenizer_);
  Sampler sampler({.temperature = 1.5}, 4);
  std::string shown;
  const Answer given =
      generator.generate(prompt_, {.max_tokens = 40}, sampler,
                         {.on_text = [&](std::string_view piece) { shown += piece; }});

  EXPECT_EQ(shown, given.text);
  EXPECT_EQ(given.text, tokenizer_.decode(given.ids, text::SpecialTokens::skip));
}

}  // namespace
}  // namespace fg::infer
