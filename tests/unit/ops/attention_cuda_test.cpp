#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <fg/device/device.hpp>
#include <fg/ops/attention.hpp>
#include <fg/test/gpu.hpp>

namespace fg::ops {
namespace {

struct Case {
  std::vector<std::int64_t> lengths;
  std::int64_t heads = 4;
  std::int64_t kv_heads = 2;
  std::int64_t width = 64;
  std::optional<std::int64_t> window = {};
};

struct Outcome {
  at::Tensor output;
  AttentionGradients gradients;
};

at::Tensor seeded(at::IntArrayRef shape, std::uint64_t seed) {
  return at::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed)).to(at::kBFloat16);
}

/// Slices of one fused matrix, as the model has them.
Outcome run(const Case& one, at::Device device) {
  Documents documents(one.lengths);
  documents.place_on(device);
  const std::int64_t tokens = documents.tokens();
  const at::Tensor qkv = seeded({tokens, one.heads + 2 * one.kv_heads, one.width}, 1).to(device);
  const at::Tensor gradient = seeded({tokens, one.heads, one.width}, 2).to(device);
  const at::Tensor q = qkv.narrow(1, 0, one.heads);
  const at::Tensor k = qkv.narrow(1, one.heads, one.kv_heads);
  const at::Tensor v = qkv.narrow(1, one.heads + one.kv_heads, one.kv_heads);
  const AttentionOptions options{1.0 / std::sqrt(static_cast<double>(one.width)), one.window};
  const AttentionResult result = attention_forward(q, k, v, documents, options);
  return {result.output, attention_backward(gradient, q, k, v, result, documents, options)};
}

double distance(const at::Tensor& found, const at::Tensor& wanted) {
  const at::Tensor left = found.to(at::kCPU, at::kDouble);
  const at::Tensor right = wanted.to(at::kCPU, at::kDouble);
  if (right.numel() == 0) return 0.0;
  // Where one token sees itself alone its gradients of q and k are nothing but rounding.
  const double floor = 1e-3 * std::sqrt(static_cast<double>(right.numel()));
  return left.sub(right).norm().item<double>() / (right.norm().item<double>() + floor);
}

/// Both round their results to bfloat16 (2⁻⁹ at most an element, 2⁻¹⁰ on average), and round
/// probabilities before the second product.
constexpr double most = 0.01;

void expect_close(const Outcome& found, const Outcome& wanted, const std::string& what) {
  EXPECT_LE(distance(found.output, wanted.output), most) << what << ": output";
  EXPECT_LE(distance(found.gradients.q, wanted.gradients.q), most) << what << ": grad q";
  EXPECT_LE(distance(found.gradients.k, wanted.gradients.k), most) << what << ": grad k";
  EXPECT_LE(distance(found.gradients.v, wanted.gradients.v), most) << what << ": grad v";
}

std::string name_of(const Case& one) {
  std::string text = "lengths";
  for (const std::int64_t length : one.lengths) text += " " + std::to_string(length);
  return text + ", heads " + std::to_string(one.heads) + "/" + std::to_string(one.kv_heads) +
         " of " + std::to_string(one.width) + ", window " + std::to_string(one.window.value_or(0));
}

class AttentionOnGpu : public testing::TestWithParam<Case> {};

TEST_P(AttentionOnGpu, EqualsTheCpus) {
  FG_REQUIRE_GPU();
  device::use({at::kCUDA, 0});
  const Outcome wanted = run(GetParam(), at::kCPU);
  // Another kernel may take over once a shape has come again.
  for (int batch = 0; batch < 4; ++batch)
    expect_close(run(GetParam(), {at::kCUDA, 0}), wanted, name_of(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionOnGpu,
                         testing::Values(Case{{}}, Case{{1}}, Case{{5, 0, 1, 17, 0}},
                                         Case{{33, 64, 7}, 3, 1, 16}, Case{{700, 300}, 8, 8, 128},
                                         Case{{129, 1, 130, 40}, 6, 3, 40},
                                         Case{{200, 50}, 4, 2, 64, 30}, Case{{600}, 4, 4, 128, 600},
                                         Case{{256, 256}, 8, 2, 64},
                                         Case{{512, 512, 512}, 4, 4, 128}, Case{{1024}, 4, 1, 128},
                                         Case{{384, 384}, 4, 2, 64, 100}));

TEST(AttentionOnGpu, GivesTheSameBitsWhereThatIsAskedFor) {
  FG_REQUIRE_GPU();
  device::use({at::kCUDA, 0});
  device::set_deterministic(true);
  const Case one{{512, 512}, 8, 2, 64};
  const Outcome first = run(one, {at::kCUDA, 0});
  for (int round = 0; round < 5; ++round) {
    const Outcome again = run(one, {at::kCUDA, 0});
    EXPECT_TRUE(at::equal(first.output, again.output));
    EXPECT_TRUE(at::equal(first.gradients.q, again.gradients.q));
    EXPECT_TRUE(at::equal(first.gradients.k, again.gradients.k));
    EXPECT_TRUE(at::equal(first.gradients.v, again.gradients.v));
  }
  device::set_deterministic(false);
}

TEST(AttentionOnGpu, WaitsForNothingButTheOnceThatAShapeIsTried) {
  FG_REQUIRE_GPU();
  device::use({at::kCUDA, 0});
  const Case one{{256, 256, 256}, 8, 2, 64};
  std::vector<bool> waited;
  for (int batch = 0; batch < 5; ++batch) {
    const std::uint64_t before = device::host_waits();
    run(one, {at::kCUDA, 0});
    waited.push_back(device::host_waits() != before);
  }
  EXPECT_EQ(waited, (std::vector<bool>{false, false, true, false, false}));
}

TEST(AttentionOnGpu, GoesBackAsItCameWhereAnotherKernelTookOverInBetween) {
  FG_REQUIRE_GPU();
  const at::Device gpu(at::kCUDA, 0);
  device::use(gpu);
  const Case one{{320, 320}, 8, 2, 64};
  const at::Tensor qkv = seeded({640, 12, 64}, 1).to(gpu),
                   gradient = seeded({640, 8, 64}, 2).to(gpu);
  const at::Tensor q = qkv.narrow(1, 0, 8), k = qkv.narrow(1, 8, 2), v = qkv.narrow(1, 10, 2);
  const AttentionOptions options{0.125, {}};
  std::vector<Documents> batches(4, Documents(one.lengths));
  std::vector<AttentionResult> results;
  for (Documents& batch : batches) {  // as a pipeline has several on their way
    batch.place_on(gpu);
    results.push_back(attention_forward(q, k, v, batch, options));
  }
  const Outcome wanted = run(one, at::kCPU);
  for (std::size_t batch = 0; batch < batches.size(); ++batch)
    expect_close({results[batch].output,
                  attention_backward(gradient, q, k, v, results[batch], batches[batch], options)},
                 wanted, "batch " + std::to_string(batch));
}

TEST(AttentionOnGpu, ContinuesASequenceFromItsCache) {
  FG_REQUIRE_GPU();
  device::use({at::kCUDA, 0});
  const at::Tensor q = seeded({300, 4, 64}, 1), k = seeded({300, 2, 64}, 2),
                   v = seeded({300, 2, 64}, 3);
  for (const std::optional<std::int64_t> window :
       {std::optional<std::int64_t>{}, std::optional<std::int64_t>{20}})
    for (const std::int64_t fresh : {1, 2, 21, 299, 300}) {
      const AttentionOptions options{0.125, window};
      const at::Tensor last = q.narrow(0, 300 - fresh, fresh);
      at::Tensor wanted = at::empty(last.sizes(), last.options());
      attention_cached(last, k, v, options, wanted);
      const at::Tensor there = last.to(at::kCUDA);
      at::Tensor found = at::empty(there.sizes(), there.options());
      attention_cached(there, k.to(at::kCUDA), v.to(at::kCUDA), options, found);
      EXPECT_LE(distance(found, wanted), most)
          << fresh << " new tokens, window " << window.value_or(0);
    }
}

}  // namespace
}  // namespace fg::ops
