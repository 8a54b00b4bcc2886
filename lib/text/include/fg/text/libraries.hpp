#pragma once

#include <string>

namespace fg::text {

/// "PCRE2 10.42 2022-12-11" and "utf8proc 2.8.0": what this library is linked with, for --version.
std::string regex_library();
std::string unicode_library();

}  // namespace fg::text
