#include "written_ranges.hpp"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>
#include <zlib.h>

#include <fg/test/expect_error.hpp>

#include "byte_text.hpp"

namespace fg::store {
namespace {

TEST(WrittenRanges, JoinsTheCrcOfPiecesInAnyOrder) {
  const std::vector<std::byte> bytes = numbered_bytes(10'000, 5);
  const auto whole = static_cast<std::uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::size_t> cuts = {0, bytes.size()};
    for (int cut = 0; cut < round; ++cut) cuts.push_back(random() % bytes.size());
    std::ranges::sort(cuts);
    std::vector<std::pair<std::size_t, std::size_t>> pieces;
    for (std::size_t index = 1; index < cuts.size(); ++index)
      pieces.emplace_back(cuts[index - 1], cuts[index]);
    std::ranges::shuffle(pieces, random);
    WrittenRanges ranges(bytes.size(), WrittenRanges::Checksum::crc32);
    for (const auto& [begin, end] : pieces)
      ranges.add(begin, std::span(bytes).subspan(begin, end - begin));
    ASSERT_TRUE(ranges.complete());
    EXPECT_EQ(ranges.crc32(), whole);
  }
}

TEST(WrittenRanges, RefusesOverlapsAndPiecesOutside) {
  WrittenRanges ranges(10, WrittenRanges::Checksum::none);
  ranges.add(3, numbered_bytes(4));

  for (const auto& [begin, size] : {std::pair(2, 2), {3, 1}, {6, 2}, {0, 10}, {8, 3}, {11, 1}})
    test::expect_error(ExitCode::bug, "check",
                       [&, at = begin, count = size] { ranges.add(at, numbered_bytes(count)); });
  EXPECT_FALSE(ranges.complete());
}

TEST(WrittenRanges, IsCompleteAtOnceWhereThereIsNothing) {
  const WrittenRanges ranges(0, WrittenRanges::Checksum::crc32);

  EXPECT_TRUE(ranges.complete());
  EXPECT_EQ(ranges.crc32(), 0u);
}

}  // namespace
}  // namespace fg::store
