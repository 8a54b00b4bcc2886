#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "jinja/budget.hpp"
#include "jinja/value.hpp"

namespace fg::text::jinja {

/// A string that belongs to the template's text: not counted against any rendering.
Value make_constant_string(std::string_view bytes);

// Values that a rendering makes; each is counted.
Value make_string(Budget& budget, Text text, bool markup = false);
Value make_string(Budget& budget, std::string_view bytes);
Value make_list(Budget& budget, Values items);
Value make_tuple(Budget& budget, Values items);
std::shared_ptr<Dict> make_dict();
inline Value dict_value(std::shared_ptr<Dict> dict) {
  return Value(Kind::dict, std::move(dict));
}

}  // namespace fg::text::jinja
