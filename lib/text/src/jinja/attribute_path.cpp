#include "jinja/attribute_path.hpp"

#include "jinja/attributes.hpp"
#include "jinja/numbers.hpp"
#include "jinja/string_tools.hpp"

namespace fg::text::jinja {

AttributePath::AttributePath(Interpreter& run, const Value& attribute) {
  if (attribute.is(Kind::none)) return;
  if (!attribute.is(Kind::string)) {
    parts_ = {attribute};
    return;
  }
  const Text& text = attribute.string().text;
  run.budget().scan(text.size());
  for (const Part& part : split_at(text.view(), ".", -1)) {
    run.budget().step();
    const Text name = text.slice(part.begin, part.end);
    const bool is_number =
        !name.empty() && name.bytes().find_first_not_of("0123456789") == std::string::npos;
    parts_.push_back(is_number ? Value(*parse_integer(name.view(), 10)) : run.string(name));
  }
}

Value AttributePath::follow(Interpreter& run, Value item, const Value& fallback) const {
  for (const Value& part : parts_) {
    run.budget().step();
    item = read_item(run, item, part);
    if (!fallback.is(Kind::none) && item.is(Kind::undefined)) item = fallback;
  }
  return item;
}

Value without_case(Interpreter& run, const Value& value) {
  if (!value.is(Kind::string)) return value;
  run.budget().scan(value.bytes().size());
  return run.string(cased(value.string().text, Case::lower), value.string().markup);
}

}  // namespace fg::text::jinja
