#include <set>
#include <string>

#include <gtest/gtest.h>

#include <fg/base/philox.hpp>

namespace fg {
namespace {

// kat_vectors of the authors' Random123 distribution, philox4x32 10.
TEST(Philox, MatchesThePublishedKnownAnswers) {
  EXPECT_EQ(philox_4x32_10({0, 0, 0, 0}, {0, 0}),
            (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(
      philox_4x32_10({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
      (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(
      philox_4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, WordsAndHalfWordsAreViewsOfTheBlocks) {
  const RandomStream stream(7, "rounding", "model.norm.weight", 3);
  const PhiloxBlock block = stream.block(5);
  for (std::uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(stream.word(20 + i), block[i]);
    EXPECT_EQ(stream.half_word(40 + 2 * i), block[i] & 0xffff);
    EXPECT_EQ(stream.half_word(41 + 2 * i), block[i] >> 16);
  }
}

TEST(RandomStream, DiffersInSeedUseNameStepAndIndexBeyond32Bits) {
  constexpr std::uint64_t far = std::uint64_t{1} << 32;
  std::set<PhiloxBlock> seen;
  for (std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, far})
    for (const std::string use : {"init", "rounding"})
      for (const std::string name : {"a", "b", ""})
        for (std::uint64_t step : {std::uint64_t{0}, std::uint64_t{1}, far})
          for (std::uint64_t n : {std::uint64_t{0}, std::uint64_t{1}, far})
            seen.insert(RandomStream(seed, use, name, step).block(n));
  EXPECT_EQ(seen.size(), 3u * 2 * 3 * 3 * 3);
}

// A seed must mean the same numbers in every version of the program: checkpoints depend on it.
TEST(RandomStream, IsPinned) {
  const RandomStream stream(1234, "init", "model.embed_tokens.weight", 0);
  EXPECT_EQ(stream.key(), (PhiloxKey{0x7f3bea0b, 0xdf265ee1}));
}

TEST(RandomStream, UnitNumbersStayBelowOne) {
  EXPECT_EQ(uniform_unit(0), 0.0F);
  EXPECT_LT(uniform_unit(0xffffffff), 1.0F);
  EXPECT_EQ(uniform_unit(0x80000000), 0.5F);
}

}  // namespace
}  // namespace fg
