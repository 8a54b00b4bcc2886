#pragma once

#include <string_view>

#include "jinja/value.hpp"

namespace fg::text::jinja {

bool has_filter(std::string_view name);
bool has_test(std::string_view name);
/// `arguments` without the value itself. Failure(runtime) for an unknown name.
Value apply_filter(Interpreter& run, std::string_view name, const Value& value,
                   const Arguments& arguments);
bool apply_test(Interpreter& run, std::string_view name, const Value& value,
                const Arguments& arguments);

/// The value of a global name (range, dict, namespace, ...), or null.
Value find_global(std::string_view name);

// One table a file: name and function.
struct NamedCallable {
  std::string_view name;
  Callable call;
};

struct CallableTable {
  const NamedCallable* begin;
  const NamedCallable* end;
  Callable find(std::string_view name) const {
    for (const NamedCallable* at = begin; at != end; ++at)
      if (at->name == name) return at->call;
    return nullptr;
  }
};

CallableTable text_filters();
CallableTable sequence_filters();
CallableTable lazy_filters();
CallableTable number_filters();
CallableTable markup_filters();
CallableTable string_methods();
CallableTable string_predicates();
CallableTable string_search_methods();

}  // namespace fg::text::jinja
