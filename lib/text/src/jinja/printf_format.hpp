#pragma once

#include "jinja/interpreter.hpp"

namespace fg::text::jinja {

/// `format % values` of Python's strings.
Value format_printf(Interpreter& run, const String& format, const Value& values);

}  // namespace fg::text::jinja
