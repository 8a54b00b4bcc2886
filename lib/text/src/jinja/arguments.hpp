#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/interpreter.hpp"
#include "jinja/value.hpp"

namespace fg::text::jinja {

/// The arguments of a call put into the places of a Python signature. Failure(type) when they do
/// not fit.
class Bound {
public:
  /// `names` in order, the first `required` of them without default.
  Bound(const char* function, const Arguments& arguments, std::initializer_list<const char*> names,
        std::size_t required, bool keywords_allowed = true);

  bool has(std::size_t index) const { return given_[index]; }
  const Value& at(std::size_t index) const { return values_[index]; }
  /// The value, or `fallback` where the call has none.
  Value get(std::size_t index, Value fallback) const {
    return given_[index] ? values_[index] : std::move(fallback);
  }
  bool is_none(std::size_t index) const { return !given_[index] || values_[index].is(Kind::none); }

private:
  Values values_;
  std::vector<bool> given_;
};

/// An int (or bool) as Python's index protocol wants it. Failure(type).
std::int64_t need_integer(const Value& value);
const String& need_string(const Value& value, const char* what);
/// A size or count that is at least 0, cut to what fits a size_t.
std::size_t need_size(const Value& value);

}  // namespace fg::text::jinja
