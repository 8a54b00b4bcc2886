#include <cstdint>
#include <string>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <fg/device/device.hpp>
#include <fg/ops/cross_entropy.hpp>
#include <fg/test/gpu.hpp>

namespace fg::ops {
namespace {

struct Case {
  std::int64_t tokens;
  std::int64_t every;  // of which every so many-th is trained
  std::int64_t width;
  std::int64_t vocab_size;
  std::int64_t rows;  // of the head
};

struct Outcome {
  at::Tensor losses, grad_hidden, grad_head, forward_losses;
};

CrossEntropyInput input_of(const Case& one, at::ScalarType type, at::Device device) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(7);
  CrossEntropyInput input;
  input.hidden = at::randn({one.tokens, one.width}, generator).to(device, type);
  at::Tensor head = at::randn({one.rows, one.width}, generator).mul_(0.1);
  head.narrow(0, one.vocab_size, one.rows - one.vocab_size).zero_();
  input.head = head.to(device, type);
  const at::Tensor positions = at::arange(0, one.tokens, one.every, at::kLong);
  input.positions = positions.to(device);
  input.targets = at::randint(one.vocab_size, {positions.numel()}, generator, at::kLong).to(device);
  input.vocab_size = one.vocab_size;
  return input;
}

Outcome run(const Case& one, at::ScalarType type, at::Device device) {
  const CrossEntropyInput input = input_of(one, type, device);
  const auto sums = input.hidden.options().dtype(at::kFloat);
  Outcome outcome;
  outcome.losses = at::empty({input.positions.numel()}, sums);
  outcome.forward_losses = at::empty({input.positions.numel()}, sums);
  outcome.grad_hidden = at::empty_like(input.hidden);
  outcome.grad_head = at::empty_like(input.head);
  linear_cross_entropy_forward(input, outcome.forward_losses);
  linear_cross_entropy_backward(input, 0.25, outcome.losses, outcome.grad_hidden,
                                outcome.grad_head);
  return outcome;
}

double distance(const at::Tensor& found, const at::Tensor& wanted) {
  const at::Tensor left = found.to(at::kCPU, at::kDouble);
  const at::Tensor right = wanted.to(at::kCPU, at::kDouble);
  if (right.numel() == 0) return 0.0;
  return left.sub(right).norm().item<double>() / (right.norm().item<double>() + 1e-30);
}

class HeadOnGpu : public testing::TestWithParam<Case> {};

TEST_P(HeadOnGpu, EqualsTheCpusInBothTypes) {
  FG_REQUIRE_GPU();
  device::use({at::kCUDA, 0});
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const Outcome wanted = run(GetParam(), type, at::kCPU);
    const Outcome found = run(GetParam(), type, {at::kCUDA, 0});
    // bfloat16: logits and their gradients are rounded on both sides after sums of another order.
    const double most = type == at::kFloat ? 1e-5 : 0.01;
    const std::string what = std::string(c10::toString(type)) + ", tokens " +
                             std::to_string(GetParam().tokens) + ", vocabulary " +
                             std::to_string(GetParam().vocab_size);
    EXPECT_LE(distance(found.losses, wanted.losses), most) << what;
    EXPECT_TRUE(at::equal(found.losses, found.forward_losses)) << what;
    EXPECT_LE(distance(found.grad_hidden, wanted.grad_hidden), most) << what;
    EXPECT_LE(distance(found.grad_head, wanted.grad_head), most) << what;
    const std::int64_t padding = GetParam().rows - GetParam().vocab_size;
    EXPECT_EQ(found.grad_head.narrow(0, GetParam().vocab_size, padding).abs().sum().item<float>(),
              0.0F)
        << what << ": padding rows have no gradient";
    const Outcome again = run(GetParam(), type, {at::kCUDA, 0});
    EXPECT_TRUE(at::equal(again.grad_head, found.grad_head)) << what << ": twice the same bits";
    EXPECT_TRUE(at::equal(again.grad_hidden, found.grad_hidden)) << what;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, HeadOnGpu,
                         testing::Values(Case{0, 1, 16, 101, 128}, Case{1, 1, 16, 101, 128},
                                         Case{7, 2, 24, 128, 128}, Case{300, 1, 64, 257, 384},
                                         Case{513, 3, 40, 1001, 1024},
                                         Case{6000, 2, 32, 128257, 128384}));

TEST(HeadOnGpu, CutsLongBatchesIntoEvenChunks) {
  EXPECT_EQ(gpu_chunk_tokens(32128, 8188), 8192) << "one chunk";
  EXPECT_EQ(gpu_chunk_tokens(128384, 16380), 2048);
  EXPECT_EQ(gpu_chunk_tokens(128384, 0), 128);
  EXPECT_EQ(gpu_chunk_tokens(128384, 2100), 1152) << "two halves rather than a whole and a rest";
}

}  // namespace
}  // namespace fg::ops
