#include "jinja/arguments.hpp"

#include <algorithm>

namespace fg::text::jinja {

Bound::Bound(const char* function, const Arguments& arguments,
             std::initializer_list<const char*> names, std::size_t required, bool keywords_allowed)
    : values_(names.size()), given_(names.size()) {
  const std::string who = std::string(function) + "()";
  if (arguments.positional.size() > names.size())
    type_failure(who + " takes at most " + std::to_string(names.size()) + " arguments (" +
                 std::to_string(arguments.positional.size()) + " given)");
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
    values_[i] = arguments.positional[i];
    given_[i] = true;
  }
  for (const auto& [name, value] : arguments.keywords) {
    const std::string& wanted = name.bytes();
    const auto* at =
        std::find_if(names.begin(), names.end(), [&](const char* own) { return wanted == own; });
    if (at == names.end() || !keywords_allowed)
      type_failure(who + " got an unexpected keyword argument '" + name.bytes() + "'");
    const auto index = static_cast<std::size_t>(at - names.begin());
    if (given_[index])
      type_failure(who + " got multiple values for argument '" + name.bytes() + "'");
    values_[index] = value;
    given_[index] = true;
  }
  for (std::size_t i = 0; i < required; ++i)
    if (!given_[i])
      type_failure(who + " missing required argument '" + std::string(names.begin()[i]) + "'");
}

std::int64_t need_integer(const Value& value) {
  if (!value.is_integral())
    type_failure("'" + type_name(value) + "' object cannot be interpreted as an integer");
  return value.integer();
}

const String& need_string(const Value& value, const char* what) {
  if (!value.is(Kind::string))
    type_failure(std::string(what) + " must be str, not " + type_name(value));
  return value.string();
}

std::size_t need_size(const Value& value) {
  return static_cast<std::size_t>(std::max<std::int64_t>(need_integer(value), 0));
}

}  // namespace fg::text::jinja
