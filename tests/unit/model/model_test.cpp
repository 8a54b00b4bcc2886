#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <gtest/gtest.h>

#include <fg/model/model.hpp>
#include <fg/params/initialise.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/tiny_config.hpp>

namespace fg::model {
namespace {

using arch::Family;
using test::tiny_config;
using Numbers = std::vector<std::int64_t>;

constexpr Family families[] = {Family::llama, Family::mistral, Family::qwen2, Family::qwen3};

Model make(const arch::ModelConfig& config, std::vector<params::Part> parts = {},
           at::ScalarType type = at::kFloat) {
  Model model(config, type, at::kCPU, std::move(parts));
  params::initialise(model.parameters(), 11, 0.2);
  return model;
}

Numbers some_ids(std::int64_t count, std::int64_t salt = 0) {
  Numbers ids;
  for (std::int64_t token = 0; token < count; ++token)
    ids.push_back(((token + salt) * (token + salt) * 31 + 7 * token + 3) % 101);
  return ids;
}

/// Every token but a document's first is trained.
Batch batch_of(Model& model, const Numbers& ids, const Numbers& lengths) {
  Numbers targets(ids.size());
  const std::vector<std::uint8_t> trained(ids.size(), 1);
  next_token_targets(ids, ops::Documents(lengths), trained, targets);
  return model.make_batch(ids, lengths, targets);
}

std::vector<at::Tensor> copies(const params::Gradients& gradients, const Model& model) {
  std::vector<at::Tensor> result;
  for (std::size_t index = 0; index < model.parameters().layout().logical.size(); ++index)
    result.push_back(gradients.logical(index).clone());
  return result;
}

struct Result {
  at::Tensor losses;
  std::vector<at::Tensor> gradients;
};

Result train(Model& model, const Numbers& ids, const Numbers& lengths, double scale) {
  params::Gradients gradients(model.parameters(), model.parameters().type());
  gradients.start_step(1);
  at::Tensor losses = model.train(batch_of(model, ids, lengths), scale, gradients);
  return {losses, copies(gradients, model)};
}

double norm(const at::Tensor& tensor) {
  return at::linalg_vector_norm(tensor.to(at::kDouble)).item<double>();
}

/// Sums in another order: a few dozen roundings of ε, each at most of the size of the sum.
void expect_near(const at::Tensor& left, const at::Tensor& right, const std::string& what) {
  ASSERT_EQ(left.sizes(), right.sizes()) << what;
  EXPECT_LE(norm(left.sub(right)), 64 * 0x1p-24 * norm(right)) << what;
}

TEST(NextTokenTargets, StopAtEachDocumentsEnd) {
  const Numbers ids{5, 6, 7, 8, 9, 10};
  const std::vector<std::uint8_t> trained{1, 0, 1, 1, 1, 1};
  Numbers targets(6);
  next_token_targets(ids, ops::Documents(Numbers{3, 0, 1, 2}), trained, targets);

  EXPECT_EQ(targets, (Numbers{-1, 7, -1, -1, 10, -1}));
}

TEST(Model, GivesTheSameBitsUnderEveryMemoryPolicy) {
  for (const Family family : families) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      Model model = make(tiny_config(family), {}, type);
      const Numbers ids = some_ids(40);
      const Numbers lengths{12, 1, 27};
      const Result kept = train(model, ids, lengths, 1.0 / 37);
      model.set_policies({.kept = 1, .others = MemoryPolicy::checkpoint});
      const Result mixed = train(model, ids, lengths, 1.0 / 37);
      model.set_policy(MemoryPolicy::checkpoint);
      const Result replayed = train(model, ids, lengths, 1.0 / 37);

      EXPECT_TRUE(kept.losses.equal(replayed.losses));
      for (std::size_t index = 0; index < kept.gradients.size(); ++index) {
        EXPECT_TRUE(kept.gradients[index].equal(replayed.gradients[index])) << index;
        EXPECT_TRUE(kept.gradients[index].equal(mixed.gradients[index])) << index;
      }
    }
  }
}

TEST(Model, KeepsOnlyBlockInputsUnderCheckpoints) {
  Model model = make(tiny_config(Family::qwen3));
  const Batch batch = batch_of(model, some_ids(40), {40});
  Pass kept;
  model.forward({}, batch, kept);
  model.set_policy(MemoryPolicy::checkpoint);
  Pass replayed;
  model.forward({}, batch, replayed);

  // Three activations of 40 tokens: two blocks' inputs and the head's.
  EXPECT_EQ(replayed.bytes(), 3 * 40 * 24 * 4);
  // A layer keeps input, middle, qkv (4 + 2 + 2 heads of 8), attended, log_sum, gate_up and the
  // inverse norms of two norms and six heads.
  EXPECT_EQ(kept.bytes(), 40 * 4 * (24 + 2 * (24 + 24 + 64 + 32 + 4 + 80 + 2 + 6)));
}

TEST(Model, ReadsPackedDocumentsAsIfEachWereAlone) {
  for (const Family family : families) {
    Model model = make(tiny_config(family));
    const Numbers ids = some_ids(31);
    const Numbers lengths{9, 1, 0, 14, 7};
    const Result packed = train(model, ids, lengths, 1.0 / 27);
    std::vector<at::Tensor> losses;
    std::vector<at::Tensor> sums;
    std::size_t first = 0;
    for (const std::int64_t length : lengths) {
      const auto size = static_cast<std::size_t>(length);
      const Numbers own(ids.begin() + static_cast<std::ptrdiff_t>(first),
                        ids.begin() + static_cast<std::ptrdiff_t>(first + size));
      first += size;
      const Result alone = train(model, own, {length}, 1.0 / 27);
      losses.push_back(alone.losses);
      for (std::size_t index = 0; index < alone.gradients.size(); ++index) {
        if (sums.size() <= index)
          sums.push_back(alone.gradients[index]);
        else
          sums[index].add_(alone.gradients[index]);
      }
    }
    EXPECT_EQ(packed.losses.numel(), 27);
    expect_near(packed.losses, at::cat(losses), "losses");
    for (std::size_t index = 0; index < sums.size(); ++index)
      expect_near(packed.gradients[index], sums[index],
                  model.parameters().layout().logical[index].name);
  }
}

TEST(Model, AddsMicrobatchesFormedAloneInTheirOrder) {
  for (const Family family : {Family::llama, Family::qwen3}) {
    Model model = make(tiny_config(family));
    const Numbers first_ids = some_ids(20);
    const Numbers second_ids = some_ids(15, 5);
    const Result first = train(model, first_ids, {20}, 1.0 / 33);
    const Result second = train(model, second_ids, {15}, 1.0 / 33);
    params::Gradients gradients(model.parameters(), at::kFloat);
    gradients.start_step(2);
    model.train(batch_of(model, first_ids, {20}), 1.0 / 33, gradients);
    model.train(batch_of(model, second_ids, {15}), 1.0 / 33, gradients);
    const std::vector<at::Tensor> both = copies(gradients, model);

    for (std::size_t index = 0; index < both.size(); ++index)
      EXPECT_TRUE(both[index].equal(first.gradients[index].add(second.gradients[index]))) << index;
  }
}

TEST(Model, HandsEachGradientToTheHookOnceAndSurvivesUpdatesInside) {
  for (const Family family : families) {
    for (const MemoryPolicy policy : {MemoryPolicy::keep, MemoryPolicy::checkpoint}) {
      Model model = make(tiny_config(family));
      model.set_policy(policy);
      const Numbers ids = some_ids(30);
      const Result expected = train(model, ids, {18, 12}, 1.0 / 28);
      params::Gradients gradients(model.parameters(), std::nullopt);
      std::vector<int> calls(expected.gradients.size());
      gradients.on_complete([&](std::size_t index, const at::Tensor& gradient) {
        ++calls[index];
        EXPECT_TRUE(gradient.equal(expected.gradients[index])) << index;
        model.parameters().logical(index).fill_(1e30);  // nothing may read it any more
      });
      gradients.start_step(1);
      model.train(batch_of(model, ids, {18, 12}), 1.0 / 28, gradients);

      EXPECT_EQ(calls, std::vector<int>(calls.size(), 1));
    }
  }
}

TEST(Model, GivesTheSameBitsInHalvesAndInParts) {
  const arch::ModelConfig config = tiny_config(Family::mistral);
  Model whole = make(config);
  const Numbers ids = some_ids(25);
  const Result expected = train(whole, ids, {25}, 1.0 / 24);
  Model front = make(config, {params::Part{0, 1, true, false}});
  Model back = make(config, {params::Part{1, 2, false, true}});
  const Batch batch = batch_of(front, ids, {25});
  params::Gradients front_gradients(front.parameters(), at::kFloat);
  params::Gradients back_gradients(back.parameters(), at::kFloat);
  front_gradients.start_step(1);
  back_gradients.start_step(1);
  Pass front_pass;
  Pass back_pass;
  const at::Tensor between = front.forward({}, batch, front_pass);
  back.forward(between, batch, back_pass);
  const at::Tensor gradient = back.backward_input({}, batch, 1.0 / 24, back_pass, back_gradients);
  front.backward_input(gradient, batch, 1.0 / 24, front_pass, front_gradients);
  back.backward_weight(batch, back_pass, back_gradients);
  front.backward_weight(batch, front_pass, front_gradients);

  std::vector<at::Tensor> parts = copies(front_gradients, front);
  for (const at::Tensor& tensor : copies(back_gradients, back)) parts.push_back(tensor);
  ASSERT_EQ(parts.size(), expected.gradients.size());
  EXPECT_TRUE(back_pass.losses.equal(expected.losses));
  for (std::size_t index = 0; index < parts.size(); ++index)
    EXPECT_TRUE(parts[index].equal(expected.gradients[index])) << index;
}

TEST(Model, WithTiedEndsInTwoPartsSharesTheWeightAndJoinsTheGradients) {
  const arch::ModelConfig config = tiny_config(Family::qwen3);
  ASSERT_TRUE(config.tied);
  Model whole = make(config);
  const Numbers ids = some_ids(25);
  const Result expected = train(whole, ids, {25}, 1.0 / 24);
  Model model = make(config, {params::Part{0, 1, true, false}, params::Part{1, 2, false, true}});
  const params::Layout& layout = model.parameters().layout();
  const std::size_t head = layout.find(params::Role::head).value();
  EXPECT_TRUE(layout.fused[head].shares_value_of.has_value());
  EXPECT_TRUE(model.parameters()
                  .find(params::Role::head)
                  .is_same(model.parameters().find(params::Role::embedding)));
  EXPECT_EQ(model.parameters().elements(), whole.parameters().elements());

  const Batch batch = batch_of(model, ids, {25});
  params::Gradients gradients(model.parameters(), at::kFloat);
  gradients.start_step(2);
  std::vector<Pass> fronts(2), backs(2, Pass{.part = 1, .blocks = {}, .hidden = {}, .losses = {}});
  // Both heads before both embeddings: the turns of two parts are mixed.
  std::vector<at::Tensor> between;
  for (std::size_t microbatch : {0, 1}) {
    const at::Tensor hidden = model.forward({}, batch, fronts[microbatch]);
    model.forward(hidden, batch, backs[microbatch]);
    between.push_back(model.backward({}, batch, 0.5 / 24, backs[microbatch], gradients));
  }
  for (std::size_t microbatch : {0, 1})
    model.backward(between[microbatch], batch, 0.5 / 24, fronts[microbatch], gradients);
  gradients.join_tied();

  const std::vector<at::Tensor> joined = copies(gradients, model);
  ASSERT_EQ(joined.size(), expected.gradients.size());
  for (std::size_t index = 0; index < joined.size(); ++index)
    EXPECT_LE(norm(joined[index].sub(expected.gradients[index])),
              1e-6 * norm(expected.gradients[index]) + 1e-9)
        << layout.logical[index].name;
}

TEST(Model, TakesBatchesWithNothingTrained) {
  Model model = make(tiny_config(Family::qwen3));
  const Result result = train(model, some_ids(3), {1, 1, 1}, 1.0);

  EXPECT_EQ(result.losses.numel(), 0);
  EXPECT_EQ(loss_sum(result.losses).item<double>(), 0.0);
  for (const at::Tensor& gradient : result.gradients) EXPECT_EQ(norm(gradient), 0.0);
}

TEST(Model, LeavesPaddingRowsZero) {
  for (const Family family : {Family::llama, Family::qwen3}) {
    Model model = make(tiny_config(family));
    params::Gradients gradients(model.parameters(), at::kFloat);
    at::Tensor rows;
    gradients.start_step(1);
    const std::size_t head = model.parameters().layout().find(params::Role::head).value();
    model.train(batch_of(model, some_ids(20), {20}), 1.0, gradients);

    const at::Tensor logical =
        gradients.logical(model.parameters().layout().fused[head].logical[0]);
    EXPECT_EQ(logical.size(0), 101);
    const at::Tensor padding = logical.as_strided({27, 24}, {24, 1}, 101 * 24);
    EXPECT_EQ(norm(padding), 0.0);
    EXPECT_EQ(norm(model.parameters().find(params::Role::head).narrow(0, 101, 27)), 0.0);
  }
}

TEST(Model, ContinuesFromItsCacheAsFromTheWholeText) {
  for (const Family family : families) {
    Model model = make(tiny_config(family));
    const Numbers ids = some_ids(90);
    const at::Tensor whole = model.logits(batch_of(model, ids, {90}));
    KvCache cache(model.config(), at::kFloat);
    const auto expect_row = [&](const at::Tensor& logits, std::int64_t row) {
      expect_near(logits, whole[row], "row " + std::to_string(row));
    };
    const std::span<const std::int64_t> all(ids);
    expect_row(model.next_logits(all.first(9), cache), 8);
    expect_row(model.next_logits(all.subspan(9, 1), cache), 9);
    expect_row(model.next_logits(all.subspan(10, 70), cache), 79);
    cache.truncate(5);
    expect_row(model.next_logits(all.subspan(5, 7), cache), 11);
    EXPECT_EQ(cache.length(), 12);
  }
}

TEST(Model, LearnsASentenceByPlainGradientDescent) {
  Model model = make(tiny_config(Family::qwen3));
  const Numbers ids = some_ids(24);
  params::Gradients gradients(model.parameters(), std::nullopt);
  gradients.on_complete([&](std::size_t index, const at::Tensor& gradient) {
    model.parameters().logical(index).sub_(gradient, 0.2);
  });
  std::vector<double> losses;
  for (int step = 0; step < 30; ++step) {
    gradients.start_step(1);
    losses.push_back(
        loss_sum(model.train(batch_of(model, ids, {24}), 1.0 / 23, gradients)).item<double>() / 23);
  }

  EXPECT_LT(losses.back(), 0.5 * losses.front());
}

TEST(Model, RefusesATokenizerThatDoesNotBelongToIt) {
  Model model = make(tiny_config(Family::llama));
  const std::string message = "token id 101 is outside the model's vocabulary of 101";
  KvCache cache(tiny_config(Family::llama), at::kFloat);

  test::expect_error(ExitCode::data, message,
                     [&] { model.make_batch(Numbers{101}, Numbers{1}, Numbers{-1}); });
  test::expect_error(ExitCode::data, message, [&] { model.next_logits(Numbers{101}, cache); });
}

}  // namespace
}  // namespace fg::model
