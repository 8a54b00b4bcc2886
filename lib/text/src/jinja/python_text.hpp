#pragma once

#include "jinja/budget.hpp"
#include "jinja/value.hpp"

namespace fg::text::jinja {

/// Appends str(value): what {{ value }} prints.
void append_str(Budget& budget, Text& out, const Value& value);
/// Appends repr(value).
void append_repr(Budget& budget, Text& out, const Value& value);
/// repr of a string: quotes chosen as Python does, what is not printable escaped.
void append_string_repr(Text& out, const String& string, bool ascii_only);

Text to_str(Budget& budget, const Value& value);
Text to_repr(Budget& budget, const Value& value);

}  // namespace fg::text::jinja
