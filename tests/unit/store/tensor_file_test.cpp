#include <gtest/gtest.h>

#include <fg/store/tensor_file.hpp>

namespace fg::store {
namespace {

TEST(Dtype, NamesAreThoseOfConfigJsonAndParseBack) {
  EXPECT_EQ(name_of(Dtype::bfloat16), "bfloat16");
  for (const Dtype dtype :
       {Dtype::boolean, Dtype::uint8, Dtype::int8, Dtype::int16, Dtype::int32, Dtype::int64,
        Dtype::float16, Dtype::bfloat16, Dtype::float32, Dtype::float64})
    EXPECT_EQ(parse_dtype(name_of(dtype)), dtype);
  EXPECT_EQ(parse_dtype("float8_e4m3fn"), std::nullopt);
}

TEST(ElementCount, IsOneForAScalarAndZeroWhereAnAxisIsEmpty) {
  EXPECT_EQ(element_count({}), 1u);
  EXPECT_EQ(element_count(std::vector<std::uint64_t>{3, 0, 5}), 0u);
  EXPECT_EQ(element_count(std::vector<std::uint64_t>{3, 4, 5}), 60u);
}

TEST(ElementCount, SaysNothingWhereTheProductDoesNotFit63Bits) {
  EXPECT_EQ(element_count(std::vector<std::uint64_t>{1ull << 32, 1ull << 31}), std::nullopt);
  EXPECT_EQ(element_count(std::vector<std::uint64_t>{1ull << 63}), std::nullopt);
  EXPECT_EQ(element_count(std::vector<std::uint64_t>{1ull << 32, 1ull << 32, 0}), std::nullopt);
  EXPECT_EQ(element_count(std::vector<std::uint64_t>{1ull << 31, 1ull << 31}), 1ull << 62);
}

TEST(ByteCount, CountsWholeTensors) {
  EXPECT_EQ(byte_count({"w", Dtype::bfloat16, {3, 5}}), 30u);
  EXPECT_EQ(byte_count({"s", Dtype::int64, {}}), 8u);
}

}  // namespace
}  // namespace fg::store
