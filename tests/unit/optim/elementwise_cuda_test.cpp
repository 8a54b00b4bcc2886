#include <bit>
#include <map>

#include <fg/test/gpu.hpp>

#include "gpu_trial.hpp"

namespace fg::optim {
namespace {

using Shape = std::vector<std::int64_t>;

OptimizerOptions with(OptimizerType type, StateType state = StateType::automatic,
                      double momentum = 0, bool nesterov = false) {
  OptimizerOptions options = options_of(type);
  options.state_dtype = state;
  options.momentum = momentum;
  options.nesterov = nesterov;
  return options;
}

std::string name_of(const OptimizerOptions& options, const Parameter& parameter, Lie lie) {
  std::string name(to_string(options.type));
  if (options.state_dtype == StateType::bfloat16) name += " with bfloat16 state";
  if (options.momentum > 0) name += options.nesterov ? ", nesterov" : ", momentum";
  name += " on [";
  for (const std::int64_t size : parameter.shape) name += " " + std::to_string(size);
  return name + " ] " + c10::toString(parameter.dtype) + ", rows " + to_string(lie);
}

/// Five steps; the gradients are clipped in every second.
void expect_same_bits(const OptimizerOptions& options, const Shape& shape, at::ScalarType dtype,
                      at::ScalarType gradient_type, Lie lie) {
  static std::map<Shape, std::vector<at::Tensor>> gradients;
  std::vector<at::Tensor>& known = gradients[shape];
  for (std::uint64_t step = known.size(); step < 5; ++step)
    known.push_back(numbers(shape, "gradient", step));
  GpuTrial trial(options, shape, dtype, lie);
  SCOPED_TRACE(name_of(options, trial.parameter, lie) + ", gradient " +
               c10::toString(gradient_type));
  for (std::uint64_t step = 0; step < 5; ++step) {
    trial.step(step, known[step].to(gradient_type), step % 2 == 0 ? 1.0 : 0.37);
    ASSERT_TRUE(equal_bits(trial.values, trial.gpu_values)) << "weights after step " << step;
    for (const State::Entry& entry : trial.state.entries())
      ASSERT_TRUE(equal_bits(entry.tensor, trial.gpu_state[entry.spec.name]))
          << entry.spec.name << " after step " << step;
  }
}

void expect_same_bits_everywhere(const OptimizerOptions& options) {
  const std::vector<Shape> shapes = {{1, 1},    {7, 13},    {33, 8}, {64, 256}, {65, 264},
                                     {96, 130}, {3, 5, 16}, {},      {5},       {1000},
                                     {4099},    {0},        {0, 5},  {5, 0},    {128, 100}};
  for (const Shape& shape : shapes)
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16})
      for (const at::ScalarType gradient_type : {at::kFloat, at::kBFloat16})
        for (const Lie lie : {Lie::close, Lie::apart, Lie::odd})
          expect_same_bits(options, shape, dtype, gradient_type, lie);
}

TEST(CudaAdamW, EqualsTheCpuToTheBit) {
  FG_REQUIRE_GPU();
  expect_same_bits_everywhere(with(OptimizerType::adamw));
  expect_same_bits_everywhere(with(OptimizerType::adamw, StateType::bfloat16));
  OptimizerOptions nearest = with(OptimizerType::adamw, StateType::bfloat16);
  nearest.stochastic_rounding = false;
  expect_same_bits(nearest, {65, 264}, at::kBFloat16, at::kBFloat16, Lie::close);
}

TEST(CudaAdamW8bit, EqualsTheCpuToTheBit) {
  FG_REQUIRE_GPU();
  expect_same_bits_everywhere(with(OptimizerType::adamw8bit));
}

TEST(CudaAdamW4bit, EqualsTheCpuToTheBit) {
  FG_REQUIRE_GPU();
  expect_same_bits_everywhere(with(OptimizerType::adamw4bit));
}

TEST(CudaAdamW, CountsItsUpdatesOnTheGpu) {
  FG_REQUIRE_GPU();
  for (const OptimizerType type : {OptimizerType::adafactor, OptimizerType::adamw})
    for (const Shape& shape : {Shape{40, 30}, Shape{40}}) {
      GpuTrial trial(options_of(type), shape);
      for (std::uint64_t step = 0; step < 3; ++step)
        trial.step(step, numbers(shape, "gradient", step));
      EXPECT_EQ(trial.gpu_state["step"].cpu().item<std::int64_t>(), 3) << to_string(type);
    }
}

TEST(CudaSgd, EqualsTheCpuToTheBit) {
  FG_REQUIRE_GPU();
  expect_same_bits_everywhere(with(OptimizerType::sgd));
  expect_same_bits_everywhere(with(OptimizerType::sgd, StateType::automatic, 0.9));
  expect_same_bits_everywhere(with(OptimizerType::sgd, StateType::bfloat16, 0.9, true));
}

OptimizerOptions copying() {
  OptimizerOptions options = options_of(OptimizerType::sgd);
  options.lr = 1;
  options.weight_decay = 0;
  return options;
}

// With weights of zero, rate 1 and no decay, a weight becomes its gradient's opposite, rounded.
TEST(CudaRounding, TreatsEveryKindOfNumberAsTheCpu) {
  FG_REQUIRE_GPU();
  std::vector<std::uint32_t> patterns = {
      0x00000000, 0x80000000, 0x00000001, 0x8000FFFF, 0x007FFFFF, 0x7F7F0000, 0x7F7F0001,
      0x7F7FFFFF, 0xFF7FFFFF, 0x7F7EFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001,
      0xFFC12345, 0x3F800000, 0x3F80FFFF, 0x3FFFFFFF, 0x3F807FFF, 0x3F808000};
  const auto count = static_cast<std::int64_t>(patterns.size());
  at::Tensor gradient = at::empty({64 * count}, at::kFloat);
  for (std::int64_t i = 0; i < gradient.numel(); ++i)
    gradient.data_ptr<float>()[i] =
        std::bit_cast<float>(patterns[static_cast<std::size_t>(i % count)] ^ 0x80000000U);
  for (const bool stochastic : {true, false}) {
    OptimizerOptions options = copying();
    options.stochastic_rounding = stochastic;
    GpuTrial trial(options, {gradient.numel()}, at::kBFloat16);
    trial.values.zero_();
    trial.gpu_values.zero_();
    trial.step(3, gradient);
    // A sum of zero and NaN is a NaN on both; which bits it has is the processor's.
    const at::Tensor a = trial.values.to(at::kFloat), b = trial.gpu_values.cpu().to(at::kFloat);
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      const float left = a.data_ptr<float>()[i], right = b.data_ptr<float>()[i];
      if (std::isnan(left) && std::isnan(right)) continue;
      ASSERT_EQ(std::bit_cast<std::uint32_t>(left), std::bit_cast<std::uint32_t>(right))
          << "of " << std::hex << patterns[static_cast<std::size_t>(i % count)] << std::dec
          << (stochastic ? " stochastically, at " : " to the nearest, at ") << i;
    }
  }
}

TEST(CudaRounding, KeepsTheMean) {
  FG_REQUIRE_GPU();
  constexpr std::int64_t count = 1 << 20;
  // 1 + 1/3 of a step: so many go up.
  const float wanted = 1.0F + 0x1p-7F / 3;
  for (const float sign : {1.0F, -1.0F}) {
    const auto optimizer = make_optimizer(copying());
    const Parameter parameter{"w", {count}, at::kBFloat16};
    at::Tensor values = at::full({count}, 0.0, at::kBFloat16).to(gpu);
    State state(optimizer->state_specs(parameter), parameter, all_rows(parameter), gpu);
    const at::Tensor gradient = at::full({count}, -sign * wanted, at::kFloat).to(gpu);
    update(*optimizer, {parameter, 0, values, gradient}, state, {7, 5, 1.0, 1.0, nullptr});
    const double mean = values.cpu().to(at::kDouble).mean().item<double>();
    const double deviation = 0x1p-7 * std::sqrt(2.0 / 9 / count);
    EXPECT_NEAR(mean, sign * wanted, 5 * deviation);
  }
}

}  // namespace
}  // namespace fg::optim
