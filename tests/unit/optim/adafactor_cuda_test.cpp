#include <algorithm>

#include <fg/optim/rounding.hpp>
#include <fg/test/gpu.hpp>

#include "gpu_trial.hpp"

namespace fg::optim {
namespace {

using Shape = std::vector<std::int64_t>;

std::string name_of(const Shape& shape, Lie lie) {
  std::string name = "[";
  for (const std::int64_t size : shape) name += " " + std::to_string(size);
  return name + " ], rows " + to_string(lie);
}

std::vector<Shape> shapes() {
  return {{1, 1},     {7, 13},    {1, 300}, {300, 1}, {64, 256}, {65, 264}, {130, 520}, {63, 257},
          {3, 5, 16}, {2100, 40}, {},       {5},      {1000},    {8192},    {0},        {0, 5}};
}

/// Bits of two bfloat16 as places on one line, so that a difference of one is one ulp. Differences
/// up to `absolute` do not count: beside a weight that is nearly zero they may be many ulps.
std::int64_t worst_ulps(const at::Tensor& cpu, const at::Tensor& on_device, double absolute) {
  const at::Tensor a = cpu.contiguous(), b = on_device.cpu().contiguous();
  const auto place = [](std::uint16_t bits) {
    return bits & 0x8000 ? -std::int64_t{bits & 0x7FFF} : std::int64_t{bits};
  };
  const auto* left = static_cast<const std::uint16_t*>(a.const_data_ptr());
  const auto* right = static_cast<const std::uint16_t*>(b.const_data_ptr());
  std::int64_t worst = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i)
    if (!(std::abs(from_bfloat16(left[i]) - from_bfloat16(right[i])) <= absolute))
      worst = std::max(worst, std::abs(place(left[i]) - place(right[i])));
  return worst;
}

/// Sums differ in their order alone: in float32 over 64 numbers and in double from there, against
/// double throughout. So a statistic is off by a few 2^-24, and so is u.
void expect_like_the_cpu(OptimizerOptions options, const Shape& shape, at::ScalarType dtype,
                         at::ScalarType gradient_type, Lie lie) {
  options.stochastic_rounding = false;
  GpuTrial trial(options, shape, dtype, lie);
  SCOPED_TRACE(name_of(shape, lie) + ", " + c10::toString(dtype) + ", gradient " +
               c10::toString(gradient_type));
  for (std::uint64_t step = 0; step < 5; ++step) {
    trial.step(step, numbers(shape, "gradient", step).to(gradient_type),
               step % 2 == 0 ? 1.0 : 0.37);
    for (const State::Entry& entry : trial.state.entries())
      ASSERT_TRUE(near(entry.tensor, trial.gpu_state[entry.spec.name], 1e-5, 1e-37))
          << entry.spec.name << " after step " << step;
    const double moved = 4 * options.lr;  // the largest u is below 4
    if (dtype == at::kFloat) {
      ASSERT_TRUE(near(trial.values, trial.gpu_values, 0x1p-22, 1e-5 * moved))
          << "weights after step " << step;
    } else {
      ASSERT_LE(worst_ulps(trial.values, trial.gpu_values, 1e-5 * moved), 1)
          << "weights after step " << step;
    }
    trial.gpu_values.copy_(trial.values);
  }
}

TEST(CudaAdafactor, DoesWhatTheCpuDoes) {
  FG_REQUIRE_GPU();
  for (const Shape& shape : shapes())
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16})
      for (const at::ScalarType gradient_type : {at::kFloat, at::kBFloat16})
        for (const Lie lie : {Lie::close, Lie::apart, Lie::odd})
          expect_like_the_cpu(options_of(OptimizerType::adafactor), shape, dtype, gradient_type,
                              lie);
}

TEST(CudaAdafactor, KnowsTheOptions) {
  FG_REQUIRE_GPU();
  OptimizerOptions options = options_of(OptimizerType::adafactor);
  options.relative_step = true;
  options.eps_square = 1e-3;
  options.clip_threshold = 0.5;
  options.beta2 = 0.4;
  options.decay_rate = -0.5;
  for (const Shape& shape : {Shape{65, 264}, Shape{7, 13}, Shape{1000}})
    expect_like_the_cpu(options, shape, at::kFloat, at::kFloat, Lie::close);
}

/// Weights and state after three steps with stochastic rounding, on the GPU alone.
std::vector<at::Tensor> run(const Shape& shape, Lie lie, bool kept) {
  const auto optimizer = make_optimizer(options_of(OptimizerType::adafactor));
  const Parameter parameter{"layer.weight", shape, at::kBFloat16};
  const at::Tensor values = on_gpu(numbers(shape, "weights", 0, at::kBFloat16), lie);
  State state(optimizer->state_specs(parameter), parameter, all_rows(parameter), gpu);
  NumericsFlag flag(gpu);
  std::vector<at::Tensor> results;
  for (std::uint64_t step = 0; step < 3; ++step) {
    const at::Tensor gradient = on_gpu(numbers(shape, "gradient", step, at::kBFloat16), lie);
    const at::Tensor sum = at::full({1}, -1.0, at::kFloat).to(gpu);
    const Piece piece{parameter, 0, values, gradient};
    const StepInfo info{step, 5, 0.01, 0.8, &flag};
    if (kept) {
      check_gradient(gradient, flag, sum);
      update(*optimizer, piece, state, info);
    } else {
      check_and_update(*optimizer, piece, state, info, {flag, sum});
    }
    results.push_back(sum.cpu());
  }
  results.push_back(values.cpu());
  for (const State::Entry& entry : state.entries()) results.push_back(entry.tensor.cpu());
  return results;
}

TEST(CudaAdafactor, GivesTheSameBitsAgainHoweverItsRowsLie) {
  FG_REQUIRE_GPU();
  for (const Shape& shape : {Shape{130, 520}, Shape{2100, 40}, Shape{63, 257}, Shape{1000}}) {
    const std::vector<at::Tensor> first = run(shape, Lie::close, false);
    for (const Lie lie : {Lie::close, Lie::apart, Lie::odd})
      for (const bool kept : {false, true}) {
        const std::vector<at::Tensor> again = run(shape, lie, kept);
        for (std::size_t i = 0; i < first.size(); ++i)
          EXPECT_TRUE(equal_bits(first[i], again[i]))
              << name_of(shape, lie) << (kept ? ", checked before" : "") << ", result " << i;
      }
  }
}

}  // namespace
}  // namespace fg::optim
