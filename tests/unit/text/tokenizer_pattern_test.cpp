#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <fg/base/utf8.hpp>
#include <fg/test/expect_error.hpp>

#include "tokenizer/known_pattern.hpp"
#include "tokenizer/pattern.hpp"
#include "tokenizer/unicode.hpp"

namespace fg::text::tok {
namespace {

constexpr KnownPattern all_known[] = {KnownPattern::gpt2, KnownPattern::llama3, KnownPattern::qwen2,
                                      KnownPattern::tekken};

void expect_twins_agree(KnownPattern known, const Pattern& slow, PatternScratch& scratch,
                        const std::string& text) {
  std::vector<Range> fast_matches, slow_matches;
  split_known(known, text, {0, static_cast<std::uint32_t>(text.size())}, fast_matches);
  slow.find_all(text, scratch, slow_matches);
  ASSERT_EQ(fast_matches, slow_matches) << text;
}

TEST(KnownPattern, SplitsAsPcre2DoesOnEveryCodePoint) {
  for (const KnownPattern known : all_known) {
    const Pattern slow(std::string(expression_of(known)), "test");
    PatternScratch scratch;
    std::string text;
    for (char32_t point = 0; point <= 0x10FFFF; ++point) {
      if (point >= 0xD800 && point < 0xE000) continue;
      append_utf8(text, point);
      text += point % 3 == 0 ? "a " : point % 3 == 1 ? "'" : "\n1 ";
      if (text.size() < 4000) continue;
      expect_twins_agree(known, slow, scratch, text);
      text.clear();
    }
  }
}

TEST(KnownPattern, SplitsAsPcre2DoesOnRandomText) {
  const std::vector<std::string> parts = {
      " ",  "  ",   "\n", "\r\n", "\t",   "a",      "B",      "é",      "Ж",  "1",
      "٣",  "½",    "'",  "'s",   "'S",   "'ſ",     "'l",     "'lL",    "-",  "/",
      "…",  "日",   "ʰ",  "́",     "ǅ",    "\u00a0", "\u3000", "\u180e", "'r", "e",
      "ve", "\x0b", "_",  "😀",    "𞓐", "𐵰",   "ᲊ",    "\u0085"};
  std::mt19937 random(5);
  for (const KnownPattern known : all_known) {
    const Pattern slow(std::string(expression_of(known)), "test");
    PatternScratch scratch;
    for (int round = 0; round < 5000; ++round) {
      std::string text;
      for (std::size_t i = random() % 12; i > 0; --i) text += parts[random() % parts.size()];
      expect_twins_agree(known, slow, scratch, text);
    }
  }
}

TEST(Unicode, CountsTheClassesOfUnicode16) {
  std::size_t letters = 0, numbers = 0, spaces = 0, marks = 0;
  for (char32_t point = 0; point <= 0x10FFFF; ++point) {
    letters += (char_class(point) & class_letter) != 0;
    numbers += (char_class(point) & class_number) != 0;
    spaces += (char_class(point) & class_space) != 0;
    marks += (char_class(point) & class_mark) != 0;
  }
  EXPECT_EQ(letters, 141028u);
  EXPECT_EQ(numbers, 1911u);
  EXPECT_EQ(marks, 2501u);
  EXPECT_EQ(spaces, 25u);
}

TEST(Pattern, RefusesWhatOnigurumaReadsOtherwise) {
  for (const char* expression :
       {"\\h+",        "\\w+",   "\\bx",    "\\v",     "\\R",    "x\\Ky",   "\\X",
        "(?m:x)",      "(?x) y", "(?i)x",   "(?<n>x)", "\\1",    "[a&&b]",  "[a[b]]",
        "[[:alpha:]]", "a{,3}",  "a{2}?",   "a{2}+",   "(?i:ß)", "(?i:ss)", "(?i:fi)",
        "\\p{Latin}",  "\\pL",   "\\x{zz}", "\\xE9",   "\\",     "[a",      "(*LIMIT_MATCH=9)a",
        "\\u12",       "[]a]"})
    test::expect_error(ExitCode::cannot_load,
                       "somewhere: ", [&] { Pattern(expression, "somewhere"); });
}

TEST(Pattern, RefusesWhatMatchesNothingOrIsWrong) {
  test::expect_error(ExitCode::cannot_load, "matches the empty text", [] { Pattern("a*", "w"); });
  test::expect_error(ExitCode::cannot_load, "bad regular expression", [] { Pattern("(a", "w"); });
  test::expect_error(ExitCode::cannot_load, "bad regular expression", [] { Pattern("+a", "w"); });
  test::expect_error(ExitCode::cannot_load, "longer than 16 KiB",
                     [] { Pattern(std::string(20000, 'a'), "w"); });
}

TEST(Pattern, TranslatesScriptsAndCodePoints) {
  EXPECT_EQ(translate_expression("\\p{Han}\\P{^L}\\u00e9\\x{1F600}\\x41", "w"),
            "\\p{sc:Han}\\p{L}\\x{00e9}\\x{1F600}\\x{41}");
  EXPECT_EQ(translate_expression("(?i:'s|'t)|[^\\r\\n]?a{1,3}", "w"),
            "(?i:'s|'t)|[^\\r\\n]?a{1,3}");
}

}  // namespace
}  // namespace fg::text::tok
