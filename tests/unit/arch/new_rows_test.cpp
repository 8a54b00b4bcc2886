#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include <fg/arch/new_rows.hpp>

namespace fg::arch {
namespace {

using store::Dtype;

template <typename Word>
std::vector<std::byte> bytes_of(const std::vector<Word>& words) {
  std::vector<std::byte> bytes(words.size() * sizeof(Word));
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

template <typename Word>
std::vector<Word> words_of(const std::vector<std::byte>& bytes) {
  std::vector<Word> words(bytes.size() / sizeof(Word));
  std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

template <typename Word>
std::vector<Word> mean_of(const std::vector<Word>& rows, std::size_t columns, Dtype dtype) {
  MeanRow mean(columns, dtype);
  mean.add(bytes_of(rows));
  return words_of<Word>(mean.finish());
}

TEST(MeanRow, IsTheMeanOfTheRows) {
  EXPECT_EQ(mean_of<float>({1, 2, 3, 6}, 2, Dtype::float32), (std::vector<float>{2, 4}));
  EXPECT_EQ(mean_of<double>({1, 2}, 1, Dtype::float64), (std::vector<double>{1.5}));
  // 1.0 and 2.0 give 1.5.
  EXPECT_EQ(mean_of<std::uint16_t>({0x3f80, 0x4000}, 1, Dtype::bfloat16),
            (std::vector<std::uint16_t>{0x3fc0}));
  EXPECT_EQ(mean_of<std::uint16_t>({0x3c00, 0x4000}, 1, Dtype::float16),
            (std::vector<std::uint16_t>{0x3e00}));
}

TEST(MeanRow, RoundsOnceToTheNearestAndTiesToEven) {
  const std::uint16_t one = 0x3f80;  // the bfloat16 after it is 1 + 2^-7
  const std::uint16_t two = 0x4000;
  const std::uint16_t tiny = 0x2b80;  // 2^-40

  EXPECT_EQ(mean_of<std::uint16_t>({one, 0x3f81}, 1, Dtype::bfloat16)[0], one);
  EXPECT_EQ(mean_of<std::uint16_t>({0x3f81, 0x3f82}, 1, Dtype::bfloat16)[0], 0x3f82);
  // 1 + 2^-8 + 2^-40 / 6: above the tie by less than a float holds, so a detour through float would
  // round down.
  EXPECT_EQ(mean_of<std::uint16_t>({0x3f81, 0x3f81, 0x3f81, one, two, tiny}, 1, Dtype::bfloat16)[0],
            0x3f81);
}

TEST(MeanRow, KeepsEveryValueOfTheSmallTypes) {
  for (const Dtype dtype : {Dtype::bfloat16, Dtype::float16}) {
    const std::uint32_t infinity = dtype == Dtype::bfloat16 ? 0x7f80 : 0x7c00;
    for (std::uint32_t bits = 0; bits <= infinity; ++bits) {
      const auto word = static_cast<std::uint16_t>(bits);
      const auto negative = static_cast<std::uint16_t>(bits | 0x8000);
      ASSERT_EQ(mean_of<std::uint16_t>({word, word}, 1, dtype)[0], word);
      if (bits != 0) {
        ASSERT_EQ(mean_of<std::uint16_t>({negative}, 1, dtype)[0], negative);
      }
    }
    const auto nan = static_cast<std::uint16_t>(infinity + 1);
    EXPECT_GT(mean_of<std::uint16_t>({nan}, 1, dtype)[0] & 0x7fff, infinity);
  }
}

TEST(MeanRow, DoesNotDependOnHowTheRowsWereCut) {
  constexpr std::size_t columns = 7;
  std::mt19937 random(3);
  std::vector<float> rows(columns * 50);
  for (float& value : rows) value = static_cast<float>(random()) / 1e9F - 2;
  const std::vector<std::byte> bytes = bytes_of(rows);
  MeanRow pieces(columns, Dtype::float32);
  for (std::size_t row = 0; row < 50; row += 10)
    pieces.add(std::span(bytes).subspan(row * columns * 4, 10 * columns * 4));
  MeanRow whole(columns, Dtype::float32);
  whole.add(bytes);

  EXPECT_EQ(pieces.finish(), whole.finish());
  EXPECT_EQ(pieces.row_count(), 50U);
}

}  // namespace
}  // namespace fg::arch
