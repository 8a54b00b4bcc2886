#include <gtest/gtest.h>

#include "jinja/failure.hpp"
#include "jinja/numbers.hpp"
#include "jinja/text.hpp"

namespace fg::text::jinja {
namespace {

TEST(JinjaText, KeepsTheMarksOfItsParts) {
  Text text("ab");
  text.append("cd", from_input);
  text.append("ef", from_input);
  text.append("g");

  EXPECT_EQ(text.bytes(), "abcdefg");
  ASSERT_EQ(text.runs().size(), 3U);
  EXPECT_EQ(text.marks_at(1), no_marks);
  EXPECT_EQ(text.marks_at(2), from_input);
  EXPECT_EQ(text.marks_at(5), from_input);
  EXPECT_EQ(text.marks_at(6), no_marks);
}

TEST(JinjaText, SlicesWithItsMarks) {
  Text text("ab");
  text.append("cd", from_input);
  text.append("ef");

  for (std::size_t begin = 0; begin <= 6; ++begin) {
    for (std::size_t end = begin; end <= 6; ++end) {
      const Text slice = text.slice(begin, end);
      ASSERT_EQ(slice.bytes(), text.bytes().substr(begin, end - begin));
      for (std::size_t i = begin; i < end; ++i)
        EXPECT_EQ(slice.marks_at(i - begin), text.marks_at(i));
    }
  }
}

TEST(JinjaText, AddsMarksToAll) {
  Text text("ab");
  text.append("cd", from_input);
  text.mark(in_generation);

  EXPECT_EQ(text.marks_at(0), in_generation);
  EXPECT_EQ(text.marks_at(3), from_input | in_generation);
}

TEST(JinjaText, StopsAtItsLimit) {
  Text text(std::string(max_string_bytes, 'a'));
  EXPECT_THROW(text.append("b"), Failure);
}

TEST(JinjaNumbers, SpellsFloatsAsPython) {
  EXPECT_EQ(real_repr(0.1), "0.1");
  EXPECT_EQ(real_repr(1e16), "1e+16");
  EXPECT_EQ(real_repr(123456789012345680.0), "1.2345678901234568e+17");
  EXPECT_EQ(real_repr(0.0001), "0.0001");
  EXPECT_EQ(real_repr(0.00001), "1e-05");
  EXPECT_EQ(real_repr(-0.0), "-0.0");
  EXPECT_EQ(real_repr(5e-324), "5e-324");
}

TEST(JinjaNumbers, ReadsIntegersAsPython) {
  EXPECT_EQ(parse_integer(" 1_000 ", 10), 1000);
  EXPECT_EQ(parse_integer("0x1F", 16), 31);
  EXPECT_EQ(parse_integer("-0b11", 0), -3);
  EXPECT_EQ(parse_integer("1__0", 10), std::nullopt);
  EXPECT_EQ(parse_integer("", 10), std::nullopt);
  EXPECT_EQ(parse_integer("010", 0), std::nullopt);
  EXPECT_THROW(parse_integer("99999999999999999999", 10), Failure);
}

}  // namespace
}  // namespace fg::text::jinja
