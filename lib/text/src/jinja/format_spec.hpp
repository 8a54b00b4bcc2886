#pragma once

#include "jinja/interpreter.hpp"

namespace fg::text::jinja {

/// [[fill]align][sign][z][#][0][width][grouping][.precision][type] of Python's format().
struct FormatSpec {
  char32_t fill = ' ';
  char align = '\0';  // < > = ^
  char sign = '-';
  bool alternate = false;
  bool zero = false;
  std::size_t width = 0;
  char grouping = '\0';
  std::optional<int> precision;
  char type = '\0';
};

inline constexpr std::size_t max_format_width = 100'000;

/// format(value, spec).
Text format_value(Interpreter& run, const Value& value, const std::string& spec);

/// str.format and str.format_map with the sandbox's look-up of fields.
Value format_string(Interpreter& run, const String& format, const Values& positional,
                    const Dict& named);

/// A float in one of the types e E f F g G, without sign handling beyond a minus.
std::string real_in_type(double value, char type, int precision, bool alternate);

}  // namespace fg::text::jinja
