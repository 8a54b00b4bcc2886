#include <gtest/gtest.h>

#include <fg/base/units.hpp>

namespace fg {
namespace {

TEST(Units, ReadsDecimalAndBinaryBytes) {
  EXPECT_EQ(parse_bytes("1000"), 1000u);
  EXPECT_EQ(parse_bytes("5GB"), 5'000'000'000u);
  EXPECT_EQ(parse_bytes("512MiB"), 512u << 20);
  EXPECT_EQ(parse_bytes("1.5 kib"), 1536u);
}

TEST(Units, RefusesWhatIsNoSize) {
  for (const char* text : {"", "GB", "-1", "5 parsecs", "1e30", "nan"})
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
}

TEST(Units, WritesBytesForPeople) {
  EXPECT_EQ(format_bytes(312), "312 bytes");
  EXPECT_EQ(format_bytes(3u << 29), "1.50 GiB");
  EXPECT_EQ(with_thousands(1234567), "1,234,567");
  EXPECT_EQ(with_thousands(12), "12");
}

}  // namespace
}  // namespace fg
