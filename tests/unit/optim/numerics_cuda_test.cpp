#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include <fg/device/device.hpp>
#include <fg/optim/clipping.hpp>
#include <fg/optim/optimizer_set.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/gpu.hpp>

#include "gpu_trial.hpp"

namespace fg::optim {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

at::Tensor one_number(double value) {
  return at::full({1}, value, at::kFloat).to(gpu);
}

TEST(CudaNumericsFlag, IsRaisedByAnyElementThatIsNotFinite) {
  FG_REQUIRE_GPU();
  NumericsFlag flag(gpu);
  const at::Tensor sum = one_number(-1);
  for (const float bad : {infinity, -infinity, nan})
    for (const auto& [row, column] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {0, 0}, {0, 276}, {63, 255}, {64, 256}, {69, 276}})
      for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
        at::Tensor gradient = at::full({70, 277}, 0.5, dtype);
        gradient[row][column] = bad;
        check_gradient(on_gpu(gradient), flag, sum);
        EXPECT_TRUE(flag.raised()) << bad << " at " << row << ", " << column;
        check_gradient(on_gpu(at::full({4, 4}, 1.0, dtype)), flag, sum);
        EXPECT_TRUE(flag.raised()) << "not sticky";
        flag.lower();
        EXPECT_FALSE(flag.raised());
      }
  check_gradient(on_gpu(at::full({10}, 1e18, at::kFloat)), flag, sum);
  EXPECT_FALSE(flag.raised());
  check_gradient(on_gpu(at::full({1}, 1e20, at::kFloat)), flag, sum);
  EXPECT_TRUE(flag.raised()) << "a square beyond float32";
}

TEST(CudaNumericsFlag, ComesWithTheSumOfSquares) {
  FG_REQUIRE_GPU();
  NumericsFlag flag(gpu), host_flag;
  const at::Tensor host_sum = at::full({1}, -1.0, at::kFloat);
  const std::vector<Shape> shapes = {{1, 1},     {70, 277}, {300, 1}, {1, 1000}, {3, 5, 16},
                                     {130, 520}, {},        {4099},   {0},       {0, 3}};
  for (const auto& shape : shapes)
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const at::Tensor gradient = numbers(shape, "gradient", 0, dtype);
      check_gradient(gradient, host_flag, host_sum);
      at::Tensor close;
      for (const Lie lie : {Lie::close, Lie::apart, Lie::odd}) {
        const at::Tensor sum = one_number(-1);
        check_gradient(on_gpu(gradient, lie), flag, sum);
        EXPECT_TRUE(near(host_sum, sum, 1e-6, 1e-30)) << gradient.sizes() << ' ' << to_string(lie);
        if (!close.defined()) close = sum.cpu();
        EXPECT_TRUE(equal_bits(close, sum)) << gradient.sizes() << ' ' << to_string(lie);
      }
    }
  EXPECT_FALSE(flag.raised());
}

OptimizerSet::Entry& check_state(OptimizerSet& set, const char* name,
                                 std::vector<at::Tensor>& before) {
  OptimizerSet::Entry& entry = set.at(name);
  before.clear();
  for (const State::Entry& part : entry.state.entries()) before.push_back(part.tensor.cpu());
  return entry;
}

void expect_untouched_by(float bad, OptimizerType type, const Shape& shape) {
  SCOPED_TRACE(std::string(to_string(type)) + ", a gradient of " + std::to_string(bad) + ", " +
               std::to_string(shape.size()) + " dimensions");
  Assignments model;
  for (const char* name : {"a", "b"})
    model.of_parameters.push_back({{name, shape, at::kBFloat16}, "default", options_of(type)});
  const std::vector<OptimizerSet::Held> held = {{"a", {0, shape[0]}}, {"b", {0, shape[0]}}};
  OptimizerSet set(model, held, gpu);
  NumericsFlag flag(gpu);
  const at::Tensor sum = one_number(0);
  const at::Tensor a = on_gpu(numbers(shape, "a", 0, at::kBFloat16));
  const at::Tensor b = on_gpu(numbers(shape, "b", 0, at::kBFloat16));
  set.check_and_update("a", a, on_gpu(numbers(shape, "g", 0)), {0, 1, 1, 1}, flag, sum);
  EXPECT_FALSE(flag.raised());
  const at::Tensor a_before = a.cpu(), b_before = b.cpu();
  std::vector<at::Tensor> before;
  const OptimizerSet::Entry& entry = check_state(set, "a", before);

  at::Tensor wrong = numbers(shape, "g", 1);
  wrong.reshape({-1})[wrong.numel() - 1] = bad;
  set.check_and_update("a", a, on_gpu(wrong), {1, 1, 1, 1}, flag, sum);
  EXPECT_FALSE(std::isfinite(sum.cpu().item<float>()));
  set.check_and_update("b", b, on_gpu(numbers(shape, "g", 1)), {1, 1, 1, 1}, flag, sum);
  EXPECT_TRUE(std::isfinite(sum.cpu().item<float>()));

  EXPECT_TRUE(flag.raised());
  EXPECT_TRUE(equal_bits(a_before, a)) << "the weights of the bad gradient";
  EXPECT_TRUE(equal_bits(b_before, b)) << "weights while the flag was up";
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_TRUE(equal_bits(before[i], entry.state.entries()[i].tensor))
        << entry.state.entries()[i].spec.name;

  flag.lower();
  set.check_and_update("b", b, on_gpu(numbers(shape, "g", 2)), {2, 1, 1, 1}, flag, sum);
  EXPECT_FALSE(b.cpu().equal(b_before)) << "the flag was lowered";
}

TEST(CudaNumericsFlag, KeepsABadGradientFromWeightsStateAndAge) {
  FG_REQUIRE_GPU();
  for (const OptimizerType type : every_type())
    for (const float bad : {infinity, nan}) {
      expect_untouched_by(bad, type, {64, 128});
      expect_untouched_by(bad, type, {100});
    }
}

TEST(CudaOptimizers, NeverMakeTheHostWait) {
  FG_REQUIRE_GPU();
  for (const OptimizerType type : every_type())
    for (const Shape& shape : {Shape{64, 128}, Shape{100}}) {
      GpuTrial trial(options_of(type), shape, at::kBFloat16);
      const at::Tensor gradient = on_gpu(numbers(shape, "gradient", 0, at::kBFloat16));
      const at::Tensor sum = one_number(0), norm = at::full({1}, 0.0, at::kDouble).to(gpu);
      const at::Tensor order = at::full({1}, 0, at::kLong).to(gpu), factor = one_number(0);
      const std::uint64_t before = device::host_waits();
      check_gradient(gradient, trial.flag, sum);
      clip_on_device(sum, order, 1.0, norm, factor, trial.flag);
      check_and_update(*trial.optimizer, {trial.parameter, 0, trial.gpu_values, gradient},
                       trial.gpu_state, {0, 1, 0.1, 1, &trial.flag, factor}, {trial.flag, sum});
      EXPECT_EQ(device::host_waits(), before) << to_string(type);
      EXPECT_FALSE(trial.flag.raised());
    }
}

TEST(CudaOptimizers, NameATypeThatTheyDoNotKnow) {
  FG_REQUIRE_GPU();
  NumericsFlag flag(gpu);
  test::expect_error(ExitCode::usage, "Double", [&] {
    check_gradient(at::full({4}, 1.0, at::kDouble).to(gpu), flag, one_number(0));
  });
}

TEST(CudaClipping, GivesTheHostsBits) {
  FG_REQUIRE_GPU();
  for (const std::int64_t count : {0, 1, 5, 300, 1024, 2500}) {
    at::Tensor sums = numbers({count}, "sums").abs().mul(numbers({count}, "more").exp());
    at::Tensor order = at::empty({count}, at::kLong);
    auto* indices = order.data_ptr<std::int64_t>();
    std::iota(indices, indices + count, 0);
    const RandomStream random(3, "test", "order", 0);
    std::sort(indices, indices + count, [&](std::int64_t a, std::int64_t b) {
      return random.word(static_cast<std::uint64_t>(a)) <
             random.word(static_cast<std::uint64_t>(b));
    });
    for (const double limit : {0.0, 0.5, 3.0, 1e6}) {
      NumericsFlag flag(gpu), host_flag;
      at::Tensor norm = at::full({1}, -1.0, at::kDouble), factor = at::full({1}, -1.0, at::kFloat);
      const at::Tensor gpu_norm = norm.to(gpu), gpu_factor = factor.to(gpu);
      clip_on_device(sums, order, limit, norm, factor, host_flag);
      clip_on_device(sums.to(gpu), order.to(gpu), limit, gpu_norm, gpu_factor, flag);
      EXPECT_TRUE(equal_bits(norm, gpu_norm)) << count;
      EXPECT_TRUE(equal_bits(factor, gpu_factor)) << count << ", limit " << limit;
      EXPECT_FALSE(flag.raised());
    }
  }
}

TEST(CudaClipping, RaisesTheFlagWhereTheNormIsNotFinite) {
  FG_REQUIRE_GPU();
  for (const float bad : {infinity, nan}) {
    NumericsFlag flag(gpu);
    at::Tensor sums = at::full({3}, 2.0, at::kFloat);
    sums[1] = bad;
    at::Tensor order = at::full({3}, 1, at::kLong);
    const at::Tensor norm = at::full({1}, 0.0, at::kDouble).to(gpu), factor = one_number(0);
    clip_on_device(sums.to(gpu), order.to(gpu), 1.0, norm, factor, flag);
    EXPECT_TRUE(flag.raised());
    EXPECT_FALSE(std::isfinite(norm.cpu().item<double>()));
    EXPECT_EQ(factor.cpu().item<float>(), 1.0F);
  }
}

}  // namespace
}  // namespace fg::optim
