#include "jinja/make.hpp"

#include <algorithm>

#include "jinja/unicode.hpp"

namespace fg::text::jinja {
namespace {

std::shared_ptr<String> string_object(Text text) {
  auto object = std::make_shared<String>();
  object->text = std::move(text);
  object->points = count_code_points(object->text.bytes());
  return object;
}

Value make_sequence(Budget& budget, Kind kind, Values items) {
  budget.allocate(items.size() * sizeof(Value) + sizeof(Sequence));
  auto object = std::make_shared<Sequence>();
  for (const Value& item : items) object->depth = std::max(object->depth, item.depth() + 1);
  if (object->depth > max_object_depth) limit_failure("values are nested too deep");
  object->items = std::move(items);
  return Value(kind, std::move(object));
}

}  // namespace

Value make_constant_string(std::string_view bytes) {
  return Value(Kind::string, string_object(Text(bytes)));
}

Value make_string(Budget& budget, Text text, bool markup) {
  budget.allocate(text.size() + text.runs().size() * sizeof(Text::Run) + sizeof(String));
  auto object = string_object(std::move(text));
  object->markup = markup;
  return Value(Kind::string, std::move(object));
}

Value make_string(Budget& budget, std::string_view bytes) {
  return make_string(budget, Text(bytes));
}

Value make_list(Budget& budget, Values items) {
  return make_sequence(budget, Kind::list, std::move(items));
}
Value make_tuple(Budget& budget, Values items) {
  return make_sequence(budget, Kind::tuple, std::move(items));
}

std::shared_ptr<Dict> make_dict() {
  return std::make_shared<Dict>();
}

}  // namespace fg::text::jinja
