#include <numeric>

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <fg/optim/optimizer_set.hpp>
#include <fg/test/expect_error.hpp>

#include "trial.hpp"

namespace fg::optim {
namespace {

using test::expect_error;

constexpr std::uint64_t steps = 5;
const std::vector<std::int64_t> shape = {96, 160};

/// Weights after a few steps of a whole, contiguous parameter: what every other layout must reach.
at::Tensor whole_result(const OptimizerOptions& options, at::ScalarType dtype) {
  Trial trial(options, shape, dtype);
  for (std::uint64_t step = 0; step < steps; ++step) trial.step(step);
  return trial.values;
}

OptimizerOptions with_bfloat16_state(OptimizerType type) {
  OptimizerOptions options = options_of(type);
  if (type == OptimizerType::sgd) options.momentum = 0.9;
  if (type != OptimizerType::adafactor) options.state_dtype = StateType::bfloat16;
  return options;
}

TEST(Layout, AStridedViewOfFusedStorageGivesTheSameBits) {
  for (const OptimizerType type : every_type())
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const OptimizerOptions options = with_bfloat16_state(type);
      Trial trial(options, shape, dtype);
      // Weights in the middle of a wider, longer matrix; gradients in another, as bfloat16 or
      // float.
      at::Tensor storage = numbers({128, 200}, "storage", 0, dtype);
      at::Tensor view = storage.slice(0, 7, 103).slice(1, 0, 160);
      view.copy_(trial.values);
      const at::Tensor outside = storage.slice(1, 160, 200).clone();
      for (std::uint64_t step = 0; step < steps; ++step) {
        at::Tensor wide = numbers({96, 170}, "storage");
        at::Tensor gradient = wide.slice(1, 3, 163);
        gradient.copy_(trial.gradient(step));
        update(*trial.optimizer, {trial.parameter, 0, view, gradient}, trial.state,
               trial.info(step));
      }
      EXPECT_TRUE(view.equal(whole_result(options, dtype))) << to_string(type);
      EXPECT_TRUE(storage.slice(1, 160, 200).equal(outside)) << "wrote beside the view";
    }
}

TEST(Layout, TheNumberOfThreadsDoesNotMatter) {
  const int before = at::get_num_threads();
  for (const OptimizerType type : every_type()) {
    const OptimizerOptions options = with_bfloat16_state(type);
    at::set_num_threads(1);
    const at::Tensor one = whole_result(options, at::kBFloat16);
    at::set_num_threads(3);
    EXPECT_TRUE(one.equal(whole_result(options, at::kBFloat16))) << to_string(type);
  }
  at::set_num_threads(before);
}

/// A parameter cut by rows at `cuts`, stepped rank by rank with the sums added in between.
class CutTrial {
public:
  CutTrial(const OptimizerOptions& options, std::vector<std::int64_t> cuts, at::ScalarType dtype)
      : whole_(options, shape, dtype), cuts_(std::move(cuts)) {
    for (std::size_t r = 0; r + 1 < cuts_.size(); ++r) {
      values_.push_back(whole_.values.slice(0, cuts_[r], cuts_[r + 1]).clone());
      states_.emplace_back(whole_.optimizer->state_specs(whole_.parameter), whole_.parameter,
                           RowRange{cuts_[r], cuts_[r + 1] - cuts_[r]});
    }
  }

  void step(std::uint64_t step) {
    const std::vector<std::size_t> counts = whole_.optimizer->phase_sums(whole_.parameter);
    const std::size_t all = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
    std::vector<std::vector<double>> sums(states_.size(), std::vector<double>(all));
    std::size_t begin = 0;
    for (std::size_t phase = 0; phase < counts.size(); ++phase) {
      // The order of ranks must not matter: the last goes first.
      for (std::size_t r = states_.size(); r-- > 0;) run(phase, r, step, sums[r]);
      for (std::size_t i = begin; i < begin + counts[phase]; ++i) {
        double total = 0;
        for (const auto& part : sums) total += part[i];
        for (auto& part : sums) part[i] = total;
      }
      begin += counts[phase];
    }
  }

  at::Tensor result() const { return at::cat(values_); }

private:
  void run(std::size_t phase, std::size_t r, std::uint64_t step, std::span<double> sums) {
    const at::Tensor gradient = whole_.gradient(step).slice(0, cuts_[r], cuts_[r + 1]);
    whole_.optimizer->run(phase, {whole_.parameter, cuts_[r], values_[r], gradient}, states_[r],
                          whole_.info(step), sums);
  }

  Trial whole_;
  std::vector<std::int64_t> cuts_;
  std::vector<at::Tensor> values_;
  std::vector<State> states_;
};

TEST(Layout, RowsCutOverRanksGiveTheSameBits) {
  for (const OptimizerType type : {OptimizerType::adamw, OptimizerType::adamw8bit,
                                   OptimizerType::adamw4bit, OptimizerType::sgd})
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const OptimizerOptions options = with_bfloat16_state(type);
      CutTrial cut(options, {0, 8, 8, 56, 96}, dtype);  // uneven, one rank without rows
      for (std::uint64_t step = 0; step < steps; ++step) cut.step(step);
      EXPECT_TRUE(cut.result().equal(whole_result(options, dtype))) << to_string(type);
    }
}

// Sums in double differ over cuts by about 1e-16, so statistics in float32 differ, where at all, by
// their last bit, and a weight by that share of its update and one rounding.
TEST(Layout, AdafactorOverCutsAgreesToTheLastBitOfItsStatistics) {
  OptimizerOptions options = options_of(OptimizerType::adafactor);
  options.relative_step = true;
  CutTrial cut(options, {0, 1, 40, 40, 96}, at::kFloat);
  for (std::uint64_t step = 0; step < steps; ++step) cut.step(step);
  const at::Tensor whole = whole_result(options, at::kFloat);
  const double bound = steps * 0x1p-23 * (1 + 20 * options.lr) * 3;
  EXPECT_LE(cut.result().sub(whole).abs().max().item<double>(), bound);
}

TEST(Layout, QuantisedBlocksAllowCutsAtWholeBlocksOnly) {
  const auto four = make_optimizer(options_of(OptimizerType::adamw4bit));
  EXPECT_EQ(four->row_unit({"w", {96, 160}}), 4);  // 128 / gcd(128, 160)
  EXPECT_EQ(four->row_unit({"w", {96, 256}}), 1);
  EXPECT_EQ(four->row_unit({"w", {8192}}), 128);
  EXPECT_EQ(make_optimizer(options_of(OptimizerType::adamw8bit))->row_unit({"w", {96, 160}}), 8);
  EXPECT_EQ(make_optimizer(options_of(OptimizerType::adafactor))->row_unit({"w", {96, 160}}), 1);

  Assignments model;
  model.of_parameters.push_back(
      {{"w", {96, 160}}, "default", options_of(OptimizerType::adamw4bit)});
  const std::vector<OptimizerSet::Held> held = {{"w", {2, 8}}};
  expect_error(ExitCode::bug, {"is_allowed_cut"}, [&] { OptimizerSet set(model, held); });
}

TEST(Layout, StateTensorsAreCutWhereTheRowsAre) {
  const Parameter parameter{"w", {96, 160}};
  const auto specs = make_optimizer(options_of(OptimizerType::adamw4bit))->state_specs(parameter);
  ASSERT_EQ(specs.size(), 5u);
  const RowRange codes = state_rows(specs[1], parameter, {8, 4});
  EXPECT_EQ(specs[1].name, "exp_avg.codes");
  EXPECT_EQ(codes.first, 8 * 160 / 2);
  EXPECT_EQ(codes.count, 4 * 160 / 2);
  const RowRange scales = state_rows(specs[2], parameter, {8, 4});
  EXPECT_EQ(scales.first, 8 * 160 / 128);
  EXPECT_EQ(scales.count, 5);
  expect_error(ExitCode::bug, {"product % whole"}, [&] {
    state_rows(specs[2], parameter, {1, 4});
  });
  // The step is the same on every rank.
  EXPECT_EQ(state_rows(specs[0], parameter, {8, 4}).count, 1);
}

TEST(Layout, TheOrderOfUpdatesAndTheNeighboursDoNotMatter) {
  Assignments model;
  const OptimizerOptions options = options_of(OptimizerType::adafactor);
  for (const char* name : {"a", "b", "c"})
    model.of_parameters.push_back({{name, {40, 30}, at::kBFloat16}, "default", options});
  const auto run = [&](std::vector<std::string> order) {
    std::vector<OptimizerSet::Held> held;
    for (const std::string& name : order) held.push_back({name, {0, 40}});
    OptimizerSet set(model, held);
    NumericsFlag flag;
    const at::Tensor sum = at::empty({1}, at::kFloat);
    std::vector<at::Tensor> weights;
    for (const std::string& name : order)
      weights.push_back(numbers({40, 30}, name, 0, at::kBFloat16));
    for (std::uint64_t step = 0; step < 3; ++step)
      for (std::size_t i = 0; i < order.size(); ++i)
        set.check_and_update(order[i], weights[i], numbers({40, 30}, "g" + order[i], step),
                             {step, 9, 0.5, 1}, flag, sum);
    for (std::size_t i = 0; i < order.size(); ++i)
      if (order[i] == "b") return weights[i];
    return at::Tensor();
  };
  EXPECT_TRUE(run({"a", "b", "c"}).equal(run({"c", "b"})));
  EXPECT_TRUE(run({"a", "b", "c"}).equal(run({"b", "a"})));
}

}  // namespace
}  // namespace fg::optim
