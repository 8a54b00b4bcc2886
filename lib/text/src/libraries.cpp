#include <array>

#include <fg/text/libraries.hpp>

#define PCRE2_CODE_UNIT_WIDTH 8

#include <pcre2.h>
#include <utf8proc.h>

namespace fg::text {

std::string regex_library() {
  std::array<char, 64> text{};
  if (pcre2_config(PCRE2_CONFIG_VERSION, nullptr) > static_cast<int>(text.size())) return "PCRE2";
  pcre2_config(PCRE2_CONFIG_VERSION, text.data());
  return std::string("PCRE2 ") + text.data();
}

std::string unicode_library() {
  return std::string("utf8proc ") + utf8proc_version();
}

}  // namespace fg::text
