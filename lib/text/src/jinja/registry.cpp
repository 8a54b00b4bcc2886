#include "jinja/registry.hpp"

#include <array>

#include "jinja/failure.hpp"

namespace fg::text::jinja {
namespace {

/// Filters of jinja2 for web pages or with a random outcome: known, so that a template loads, but
/// refused when used.
constexpr std::array refused_filters = {"pprint", "random", "striptags", "urlize", "wordwrap"};

Callable find_filter(std::string_view name) {
  for (const CallableTable table :
       {text_filters(), sequence_filters(), lazy_filters(), number_filters(), markup_filters()})
    if (const Callable found = table.find(name)) return found;
  return nullptr;
}

bool is_refused(std::string_view name) {
  for (const char* refused : refused_filters)
    if (name == refused) return true;
  return false;
}

}  // namespace

bool has_filter(std::string_view name) {
  return is_refused(name) || find_filter(name) != nullptr;
}

Value apply_filter(Interpreter& run, std::string_view name, const Value& value,
                   const Arguments& arguments) {
  if (const Callable filter = find_filter(name)) return filter(run, value, arguments);
  if (is_refused(name))
    throw Failure(FailureKind::limit,
                  "the filter '" + std::string(name) + "' is not supported in chat templates");
  throw Failure(FailureKind::runtime, "No filter named '" + std::string(name) + "' found.");
}

}  // namespace fg::text::jinja
