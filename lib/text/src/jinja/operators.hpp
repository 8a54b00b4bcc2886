#pragma once

#include "jinja/ast.hpp"
#include "jinja/value.hpp"

namespace fg::text::jinja {

/// Python's truth of a value. A loop is true (it has at least the item at hand).
bool is_true(const Value& value);

/// Fails with the reason of an undefined value.
[[noreturn]] void refuse_undefined(const Value& value);

/// Equality of dictionary keys (hashable values).
bool same_key(const Value& a, const Value& b);
bool equals(Interpreter& run, const Value& a, const Value& b);
/// Python's <. Failure(type) for values that have no order.
bool less_than(Interpreter& run, const Value& a, const Value& b);
bool contains(Interpreter& run, const Value& container, const Value& item);
bool compare(Interpreter& run, Comparison comparison, const Value& a, const Value& b);

/// Arithmetic on 64-bit ints (an overflow is refused) and floats; + and * of strings, lists and
/// tuples; % of strings is printf.
Value apply_binary(Interpreter& run, BinaryOperator op, const Value& a, const Value& b);
Value negate(const Value& value);
Value keep_sign(const Value& value);

/// Number of the first byte of `needle` in `text` at or behind `from`, or npos; linear time.
std::size_t find_bytes(std::string_view text, std::string_view needle, std::size_t from);

}  // namespace fg::text::jinja
