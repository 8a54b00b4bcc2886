#pragma once

#include <memory>
#include <optional>

#include "jinja/interpreter.hpp"

namespace fg::text::jinja {

/// Python's iter(). Failure(type) for what cannot be iterated.
std::shared_ptr<Iterator> iterate(Interpreter& run, const Value& value);
bool is_iterable(const Value& value);

/// Python's len() where it needs no walk, or nothing.
std::optional<std::int64_t> known_length(const Value& value);
/// Python's len(). Failure(type).
std::int64_t length_of(Interpreter& run, const Value& value);

/// All items, each counted as a step.
Values collect(Interpreter& run, const Value& value);

/// Calls `visit` with each item.
template <typename Visit>
void for_each(Interpreter& run, const Value& value, Visit visit) {
  const std::shared_ptr<Iterator> items = iterate(run, value);
  while (auto item = items->next(run)) {
    run.budget().step();
    visit(*item);
  }
}

/// An iterator over values that are there already.
Value iterator_of(Interpreter& run, Values items);

}  // namespace fg::text::jinja
