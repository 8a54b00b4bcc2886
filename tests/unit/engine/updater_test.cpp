#include <limits>

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <fg/engine/checkpoint_io.hpp>
#include <fg/engine/updater.hpp>
#include <fg/model/model.hpp>
#include <fg/params/initialise.hpp>
#include <fg/test/tiny_config.hpp>

namespace fg::engine {
namespace {

optim::Assignments assignments_of(const params::Layout& layout, at::ScalarType type,
                                  const optim::Settings& settings) {
  return optim::assign_groups(settings, {}, parameters_of(layout, type));
}

/// A tiny model with its optimizer, stepped over a fixed text.
struct Trial {
  explicit Trial(std::optional<at::ScalarType> kept, optim::ClipOptions clip = {},
                 arch::Family family = arch::Family::qwen3)
      : model(test::tiny_config(family), at::kFloat),
        assignments(assignments_of(model.parameters().layout(), at::kFloat,
                                   {{"type", std::string("adamw")}, {"lr", 1e-2}})),
        optimizers(assignments),
        clipper(clip),
        updater(model.parameters(), optimizers, clipper, {.kept = kept, .time = {}, .share = {}}) {
    params::initialise(model.parameters(), 3, 0.2);
  }

  struct Measure {
    double norm = 0;
    bool is_bad = false;
  };
  Measure step(std::uint64_t number, double scale = 1.0 / 9) {
    std::vector<std::int64_t> ids, targets;
    for (std::int64_t token = 0; token < 10; ++token) {
      ids.push_back((token * 7 + static_cast<std::int64_t>(number)) % 101);
      targets.push_back(token < 9 ? ((token + 1) * 7) % 101 : -1);
    }
    const std::int64_t length = 10;
    const model::Batch batch = model.make_batch(ids, {&length, 1}, targets);
    updater.begin(1, {.step = number, .seed = 1});
    const at::Tensor losses = model.train(batch, scale, updater.gradients());
    const at::Tensor measured = updater.measure(model::loss_sum(losses).view({1}));
    EXPECT_EQ(measured[0].item<double>(), model::loss_sum(losses).item<double>());
    const Measure result{measured[1].item<double>(), measured[2].item<double>() != 0};
    if (!result.is_bad && !updater.waits_for_numbers()) updater.finished(result.norm);
    return result;
  }

  model::Model model;
  optim::Assignments assignments;
  optim::OptimizerSet optimizers;
  optim::Clipper clipper;
  Updater updater;
};

bool are_equal(const Trial& a, const Trial& b) {
  const auto& layout = a.model.parameters().layout();
  for (std::size_t index = 0; index < layout.logical.size(); ++index)
    if (!at::equal(a.model.parameters().logical(index), b.model.parameters().logical(index)))
      return false;
  return true;
}

TEST(Updater, GivesTheSameBitsInsideTheBackwardPassAndAfterIt) {
  Trial inside(std::nullopt), after(at::kFloat);
  for (std::uint64_t step = 0; step < 4; ++step) {
    const auto first = inside.step(step);
    const auto second = after.step(step);
    EXPECT_EQ(first.norm, second.norm);
    after.updater.apply();
  }

  EXPECT_TRUE(are_equal(inside, after));
}

TEST(Updater, ChangesNoKeptWeightBeforeItIsTold) {
  Trial trial(at::kFloat), untouched(at::kFloat);
  trial.step(0);

  EXPECT_TRUE(are_equal(trial, untouched));
  trial.updater.apply();
  EXPECT_FALSE(are_equal(trial, untouched));
}

TEST(Updater, ClipsByTheStepsOwnNorm) {
  Trial clipped(at::kFloat, {.norm = 1e-3}), free(at::kFloat);
  const auto measured = clipped.step(0);
  free.step(0);
  clipped.updater.apply();
  free.updater.apply();

  EXPECT_GT(measured.norm, 1e-3);
  EXPECT_EQ(clipped.clipper.factor(measured.norm), 1e-3 / (measured.norm + 1e-6));
  EXPECT_FALSE(are_equal(clipped, free)) << "AdamW's eps makes even a first step depend on scale";
}

TEST(Updater, LagsByOneStepWhereItIsAskedTo) {
  const optim::ClipOptions lagged{.norm = 1e-3, .mode = optim::ClipMode::lagged};
  Trial inside(std::nullopt, lagged), after(at::kFloat, lagged);
  for (std::uint64_t step = 0; step < 3; ++step) {
    inside.step(step);
    const double norm = after.step(step).norm;
    after.updater.apply();
    after.updater.finished(norm);
  }

  EXPECT_TRUE(are_equal(inside, after));
}

TEST(Updater, SaysThatAGradientIsNotFinite) {
  Trial trial(at::kFloat), untouched(at::kFloat);
  const auto measured = trial.step(0, std::numeric_limits<double>::infinity());

  EXPECT_TRUE(measured.is_bad);
  EXPECT_TRUE(are_equal(trial, untouched));
}

TEST(Updater, WritesNothingBehindABadGradientInsideTheBackwardPass) {
  Trial trial(std::nullopt), untouched(std::nullopt);
  const auto measured = trial.step(0, std::numeric_limits<double>::infinity());

  EXPECT_TRUE(measured.is_bad);
  EXPECT_TRUE(are_equal(trial, untouched)) << "the first gradient was bad already";
}

TEST(CheckpointSlices, CoverEveryWeightAndItsState) {
  Trial trial(at::kFloat);
  const std::vector<bool> all(trial.model.parameters().layout().logical.size(), true);
  const auto weights = weight_slices(trial.model.parameters(), all);
  const auto state = optimizer_slices(trial.optimizers, all);

  ASSERT_EQ(weights.size(), trial.model.parameters().layout().logical.size());
  for (const auto& slice : weights)
    EXPECT_EQ(slice.bytes.size(), store::byte_count(slice.tensor)) << slice.tensor.name;
  std::uint64_t bytes = 0;
  for (const auto& slice : state) bytes += slice.bytes.size();
  EXPECT_EQ(bytes, trial.optimizers.state_bytes());
}

}  // namespace
}  // namespace fg::engine
