#include <gtest/gtest.h>

#include <fg/base/utf8.hpp>

namespace fg {
namespace {

TEST(Utf8, DecodesWhatItEncodes) {
  for (char32_t point = 0; point <= 0x10FFFF; ++point) {
    if (point >= 0xD800 && point <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, point);
    const auto decoded = decode_utf8(text);
    ASSERT_TRUE(decoded.has_value()) << std::hex << static_cast<unsigned>(point);
    ASSERT_EQ(decoded->value, point);
    ASSERT_EQ(decoded->length, text.size());
  }
}

TEST(Utf8, RefusesOverlongSurrogateTooLargeAndCutForms) {
  for (const char* text : {"\xC0\x80", "\xE0\x80\x80", "\xF0\x80\x80\x80", "\xED\xA0\x80",
                           "\xF4\x90\x80\x80", "\xFF", "\x80", "\xE2\x82", "\xC3("})
    EXPECT_FALSE(decode_utf8(text).has_value()) << text;
}

TEST(Utf8, NamesTheFirstBadByte) {
  EXPECT_EQ(find_invalid_utf8("gr\xC3\xBC\xC3\x9F dich"), std::nullopt);
  EXPECT_EQ(find_invalid_utf8("gr\xC3\xBC\xFF"), 4u);
}

}  // namespace
}  // namespace fg
