#pragma once

#include "jinja/interpreter.hpp"

namespace fg::text::jinja {

/// The way from an item to a value that filters take as `attribute`: "a.b.0" or a number; none is
/// the item itself.
class AttributePath {
public:
  AttributePath(Interpreter& run, const Value& attribute);
  Value follow(Interpreter& run, Value item, const Value& fallback = Value()) const;

private:
  Values parts_;
};

/// Strings in lower case, other values as they are.
Value without_case(Interpreter& run, const Value& value);

}  // namespace fg::text::jinja
