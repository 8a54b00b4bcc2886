#include "moments.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "blockwise.hpp"
#include "trial.hpp"

namespace fg::optim {
namespace {

// The maps as the papers and docs/optimizers.md list them.
TEST(CodeBook, FourBitMapsAreThePublishedOnes) {
  const std::vector<float> signed_map = {-0.8875F, -0.6625F, -0.4375F, -0.2125F, -0.0775F, -0.0325F,
                                         -0.0055F, 0.0F,     0.0055F,  0.0325F,  0.0775F,  0.2125F,
                                         0.4375F,  0.6625F,  0.8875F,  1.0F};
  const std::vector<float>& ours = code_book(4, true).values;
  ASSERT_EQ(ours.size(), signed_map.size());
  for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], signed_map[i], 1e-7F);
  for (std::size_t k = 0; k < 16; ++k)
    EXPECT_EQ(code_book(4, false).values[k], static_cast<float>(k + 1) / 16);
}

TEST(CodeBook, EightBitMapsAscendFromTheirEndsToOne) {
  for (const bool is_signed : {false, true}) {
    const std::vector<float>& values = code_book(8, is_signed).values;
    EXPECT_EQ(values.size(), 256u);
    EXPECT_TRUE(std::is_sorted(values.begin(), values.end()));
    EXPECT_EQ(values.back(), 1.0F);
    EXPECT_EQ(std::count(values.begin(), values.end(), 0.0F), 1);
    EXPECT_EQ(values.front() < 0, is_signed);
  }
}

TEST(Blockwise, EachCodeIsTheNearestOfAll) {
  for (const int bits : {4, 8})
    for (const bool is_signed : {false, true}) {
      const CodeBook& book = code_book(bits, is_signed);
      const std::int64_t count = bits == 4 ? 128 : 256;
      at::Tensor block = numbers({count}, "block");
      if (!is_signed) block = block.square();
      std::vector<std::uint8_t> codes(static_cast<std::size_t>(count * bits / 8));
      float scale = 0;
      quantise_block(book, bits, block.data_ptr<float>(), count, codes.data(), &scale);
      EXPECT_EQ(scale, block.abs().max().item<float>());
      std::vector<float> back(static_cast<std::size_t>(count));
      dequantise_block(book, bits, codes.data(), scale, count, back.data());
      for (std::size_t i = 0; i < back.size(); ++i) {
        const float x = block.data_ptr<float>()[i];
        float nearest = INFINITY;
        for (const float value : book.values)
          nearest = std::min(nearest, std::abs(value * scale - x));
        EXPECT_LE(std::abs(back[i] - x), nearest + 4e-7F * scale);
      }
    }
}

TEST(Blockwise, TheFirstOfTwoFourBitCodesIsTheHighHalf) {
  const CodeBook& book = code_book(4, false);
  const float block[] = {1.0F, 0.0625F};
  std::uint8_t code = 0;
  float scale = 0;
  quantise_block(book, 4, block, 2, &code, &scale);
  EXPECT_EQ(code, 0xF0);
}

TEST(Blockwise, AnAllZeroBlockHasTheLeastScale) {
  const float block[128] = {};
  std::uint8_t codes[64];
  float scale = 0;
  quantise_block(code_book(4, true), 4, block, 128, codes, &scale);
  EXPECT_EQ(scale, 1e-12F);
  float back[128];
  dequantise_block(code_book(4, true), 4, codes, scale, 128, back);
  for (const float value : back) EXPECT_EQ(value, 0.0F);
}

TEST(MomentFormat, QuantisesWholeBlocksOfAtLeast4096Elements) {
  const OptimizerOptions four = options_of(OptimizerType::adamw4bit);
  const OptimizerOptions eight = options_of(OptimizerType::adamw8bit);
  EXPECT_EQ(moment_format(four, {"w", {32, 128}}).bits, 4);
  EXPECT_EQ(moment_format(four, {"w", {31, 128}}).bits, 32);
  EXPECT_EQ(moment_format(four, {"w", {33, 129}}).bits, 32);
  EXPECT_EQ(moment_format(eight, {"w", {4096}}).bits, 8);
  EXPECT_EQ(moment_format(eight, {"w", {33, 128}}).bits, 32);  // 4224 is no multiple of 256
  EXPECT_EQ(moment_format(four, {"w", {7}, at::kBFloat16}).bits, 16);
  EXPECT_EQ(moment_format(options_of(OptimizerType::adamw), {"w", {7}, at::kBFloat16}).bits, 32);
}

TEST(State, BytesAreKnownBeforeAndTrueAfter) {
  struct Case {
    OptimizerType type;
    std::vector<std::int64_t> shape;
    std::uint64_t bytes;
  };
  const std::vector<Case> cases = {{OptimizerType::adafactor, {100, 30}, 8 + 4 * 130},
                                   {OptimizerType::adafactor, {30}, 8 + 4 * 30},
                                   {OptimizerType::adamw, {100, 30}, 8 + 8 * 3000},
                                   {OptimizerType::adamw8bit, {64, 128}, 8 + 2 * (8192 + 4 * 32)},
                                   {OptimizerType::adamw4bit, {64, 128}, 8 + 2 * (4096 + 4 * 64)},
                                   {OptimizerType::sgd, {100, 30}, 0}};
  for (const Case& c : cases) {
    const Parameter parameter{"w", c.shape};
    const auto specs = make_optimizer(options_of(c.type))->state_specs(parameter);
    std::uint64_t bytes = 0;
    for (const StateSpec& spec : specs) bytes += spec.bytes();
    EXPECT_EQ(bytes, c.bytes) << to_string(c.type);
    EXPECT_EQ(State(specs, parameter, all_rows(parameter)).bytes(), c.bytes);
  }
}

}  // namespace
}  // namespace fg::optim
