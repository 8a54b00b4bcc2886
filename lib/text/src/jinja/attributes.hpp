#pragma once

#include "jinja/interpreter.hpp"

namespace fg::text::jinja {

/// `object.name` in the sandbox: the attribute, else the item, else undefined. `name` is a string.
Value read_attribute(Interpreter& run, const Value& object, const Value& name);
/// `object[argument]` in the sandbox: the item, else the attribute, else undefined.
Value read_item(Interpreter& run, const Value& object, const Value& argument);
/// `object[start:stop:step]`; `slice` is the tuple of the three. Failure(type) for what has no
/// slices.
Value read_slice(Interpreter& run, const Value& object, const Value& slice);
/// Only the attribute, as the filter attr wants it; undefined where there is none.
Value read_only_attribute(Interpreter& run, const Value& object, const Value& name);

/// First, past-the-last and step of a slice of `length` items, as Python's slice.indices.
struct SliceRange {
  std::int64_t start;
  std::int64_t step;
  std::int64_t count;
};
SliceRange slice_range(const Values& parts, std::int64_t length);

/// A method of a string, list, tuple, dict, range, number, cycler or loop, or null.
Callable find_method(const Value& object, std::string_view name);

}  // namespace fg::text::jinja
