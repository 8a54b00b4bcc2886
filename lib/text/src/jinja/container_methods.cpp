#include <algorithm>
#include <cmath>

#include "jinja/arguments.hpp"
#include "jinja/attributes.hpp"
#include "jinja/iteration.hpp"
#include "jinja/operators.hpp"
#include "jinja/registry.hpp"

namespace fg::text::jinja {
namespace {

template <ViewKind kind>
Value dict_view(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("items/keys/values", arguments, {}, 0);
  run.budget().allocate(sizeof(View));
  auto view = std::make_shared<View>();
  view->dict = std::static_pointer_cast<Dict>(self.object());
  view->kind = kind;
  view->depth = self.depth() + 1;
  return Value(Kind::view, std::move(view));
}

Value dict_get(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("get", arguments, {"key", "default"}, 1, false);
  const Value* value = self.dict().find(bound.at(0));
  return value != nullptr ? *value : bound.get(1, Value());
}

Value dict_copy(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("copy", arguments, {}, 0);
  run.budget().allocate(self.dict().entries.size() * 2 * sizeof(Value));
  auto copy = make_dict();
  for (const auto& [key, value] : self.dict().entries) copy->set(key, value);
  copy->input = self.dict().input;
  return dict_value(std::move(copy));
}

Value dict_fromkeys(Interpreter& run, const Value&, const Arguments& arguments) {
  const Bound bound("fromkeys", arguments, {"iterable", "value"}, 1, false);
  auto dict = make_dict();
  for_each(run, bound.at(0), [&](const Value& key) { dict->set(key, bound.get(1, Value())); });
  return dict_value(std::move(dict));
}

Values items_of(Interpreter& run, const Value& self) {
  return self.is(Kind::range) ? collect(run, self) : self.sequence().items;
}

Value sequence_index(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("index", arguments, {"value", "start", "stop"}, 1, false);
  const Values items = items_of(run, self);
  const SliceRange window = slice_range({bound.get(1, Value()), bound.get(2, Value()), Value()},
                                        static_cast<std::int64_t>(items.size()));
  for (std::int64_t i = 0; i < window.count; ++i) {
    run.budget().step();
    const std::int64_t at = window.start + i;
    if (equals(run, items[static_cast<std::size_t>(at)], bound.at(0))) return Value(at);
  }
  value_failure("the value is not in the list");
}

Value sequence_count(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("count", arguments, {"value"}, 1, false);
  std::int64_t count = 0;
  for (const Value& item : items_of(run, self)) {
    run.budget().step();
    if (equals(run, item, bound.at(0))) ++count;
  }
  return Value(count);
}

Value list_copy(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Bound bound("copy", arguments, {}, 0);
  return run.list(self.sequence().items);
}

Value bit_length(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("bit_length", arguments, {}, 0);
  std::uint64_t size = self.integer() < 0 ? 0 - static_cast<std::uint64_t>(self.integer())
                                          : static_cast<std::uint64_t>(self.integer());
  std::int64_t bits = 0;
  for (; size != 0; size >>= 1) ++bits;
  return Value(bits);
}

Value bit_count(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("bit_count", arguments, {}, 0);
  const std::uint64_t size = self.integer() < 0 ? 0 - static_cast<std::uint64_t>(self.integer())
                                                : static_cast<std::uint64_t>(self.integer());
  return Value(static_cast<std::int64_t>(__builtin_popcountll(size)));
}

Value conjugate(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("conjugate", arguments, {}, 0);
  return self.is(Kind::real) ? self : Value(self.integer());
}

Value is_integer(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("is_integer", arguments, {}, 0);
  return Value(std::isfinite(self.real()) && std::trunc(self.real()) == self.real());
}

Value loop_cycle(Interpreter&, const Value& self, const Arguments& arguments) {
  const Values& items = arguments.positional;
  if (!arguments.keywords.empty()) type_failure("cycle() takes no keyword arguments");
  if (items.empty()) type_failure("no items for cycling given");
  const auto index = static_cast<std::size_t>(self.as<LoopContext>().index0);
  return items[index % items.size()];
}

Value loop_changed(Interpreter& run, const Value& self, const Arguments& arguments) {
  LoopContext& loop = self.as<LoopContext>();
  if (!arguments.keywords.empty()) type_failure("changed() takes no keyword arguments");
  const Values& values = arguments.positional;
  if (loop.last_changed && loop.last_changed->size() == values.size()) {
    bool same = true;
    for (std::size_t i = 0; i < values.size() && same; ++i)
      same = equals(run, (*loop.last_changed)[i], values[i]);
    if (same) return Value(false);
  }
  run.budget().allocate(values.size() * sizeof(Value));
  loop.last_changed = values;
  return Value(true);
}

Value cycler_next(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("next", arguments, {}, 0);
  Cycler& cycler = self.as<Cycler>();
  const Value value = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return value;
}

Value cycler_reset(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("reset", arguments, {}, 0);
  self.as<Cycler>().position = 0;
  return Value();
}

constexpr NamedCallable dict_methods[] = {
    {"items", dict_view<ViewKind::items>},
    {"keys", dict_view<ViewKind::keys>},
    {"values", dict_view<ViewKind::values>},
    {"get", dict_get},
    {"copy", dict_copy},
    {"fromkeys", dict_fromkeys},
};
constexpr NamedCallable sequence_methods[] = {{"index", sequence_index}, {"count", sequence_count}};
constexpr NamedCallable integer_methods[] = {
    {"bit_length", bit_length}, {"bit_count", bit_count}, {"conjugate", conjugate}};
constexpr NamedCallable real_methods[] = {{"is_integer", is_integer}, {"conjugate", conjugate}};
constexpr NamedCallable loop_methods[] = {{"cycle", loop_cycle}, {"changed", loop_changed}};
constexpr NamedCallable cycler_methods[] = {{"next", cycler_next}, {"reset", cycler_reset}};

template <std::size_t count>
CallableTable of(const NamedCallable (&methods)[count]) {
  return {std::begin(methods), std::end(methods)};
}

}  // namespace

Callable find_method(const Value& object, std::string_view name) {
  switch (object.kind()) {
    case Kind::string:
      for (const CallableTable table :
           {string_methods(), string_search_methods(), string_predicates()})
        if (const Callable found = table.find(name)) return found;
      return nullptr;
    case Kind::dict:
      return of(dict_methods).find(name);
    case Kind::list:
      if (name == "copy") return list_copy;
      return of(sequence_methods).find(name);
    case Kind::tuple:
    case Kind::range:
      return of(sequence_methods).find(name);
    case Kind::boolean:
    case Kind::integer:
      return of(integer_methods).find(name);
    case Kind::real:
      return of(real_methods).find(name);
    case Kind::loop:
      return of(loop_methods).find(name);
    case Kind::cycler:
      return of(cycler_methods).find(name);
    default:
      return nullptr;
  }
}

}  // namespace fg::text::jinja
