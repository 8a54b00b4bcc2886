#include <gtest/gtest.h>

#include <fg/engine/flops.hpp>
#include <fg/test/tiny_config.hpp>

namespace fg::engine {
namespace {

double brute_force_pairs(const arch::ModelConfig& config, std::int64_t length) {
  double pairs = 0;
  for (std::int64_t layer = 0; layer < config.layers; ++layer)
    for (std::int64_t query = 0; query < length; ++query)
      for (std::int64_t key = 0; key <= query; ++key)
        if (!config.windowed[static_cast<std::size_t>(layer)] ||
            query - key < *config.sliding_window)
          ++pairs;
  return pairs / static_cast<double>(config.layers);
}

TEST(Flops, CountTheTokensThatEachTokenMaySee) {
  for (const auto family : {arch::Family::llama, arch::Family::mistral, arch::Family::qwen2})
    for (const std::int64_t length : {0, 1, 5, 6, 7, 40}) {
      const arch::ModelConfig config = test::tiny_config(family);

      EXPECT_DOUBLE_EQ(attended_pairs(config, length), brute_force_pairs(config, length)) << length;
    }
}

TEST(Flops, AreSixForEachMatrixElementAndToken) {
  arch::ModelConfig config = test::tiny_config(arch::Family::llama);
  const std::int64_t layer = 24 * (24 + 12 + 12 + 24) + 3 * 24 * 40;

  EXPECT_EQ(layer_matrix_elements(config), 2 * layer);
  EXPECT_EQ(head_matrix_elements(config), 101 * 24);
  EXPECT_DOUBLE_EQ(training_flops(config, {.tokens = 10, .trained = 3}),
                   6.0 * (10 * 2 * layer + 3 * 101 * 24));
}

TEST(Flops, OfAttentionFollowTheFormulaInTheEffectiveLength) {
  const arch::ModelConfig config = test::tiny_config(arch::Family::llama);
  const std::int64_t length = 64;
  const double pairs = attended_pairs(config, length);
  const double effective = 2 * pairs / static_cast<double>(length);

  EXPECT_DOUBLE_EQ(training_flops(config, {.attended_pairs = pairs}),
                   6.0 * 2 * 24 * effective * static_cast<double>(length));
}

TEST(Flops, KnowThePeaksOfDevicesByTheirNames) {
  EXPECT_EQ(device_peak_flops("NVIDIA GeForce RTX 4090"), 165.2e12);
  EXPECT_EQ(device_peak_flops("NVIDIA H100 PCIe"), 756e12);
  EXPECT_EQ(device_peak_flops("NVIDIA H100 80GB HBM3"), 989e12);
  EXPECT_EQ(device_peak_flops("NVIDIA L40S"), 362e12);
  EXPECT_EQ(device_peak_flops("NVIDIA A100-SXM4-80GB"), 312e12);
  EXPECT_EQ(device_peak_flops("AMD EPYC"), std::nullopt);
}

}  // namespace
}  // namespace fg::engine
