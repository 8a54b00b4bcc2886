#include "jinja/attributes.hpp"

#include <algorithm>
#include <array>

#include "jinja/operators.hpp"
#include "jinja/python_text.hpp"
#include "jinja/unicode.hpp"

namespace fg::text::jinja {
namespace {

/// Attributes that every Python object has, and dict those that matter beside its own keys.
constexpr std::array object_internals = {
    "__class__",   "__delattr__", "__dir__",           "__doc__",         "__eq__",
    "__format__",  "__ge__",      "__getattribute__",  "__getstate__",    "__gt__",
    "__hash__",    "__init__",    "__init_subclass__", "__le__",          "__lt__",
    "__ne__",      "__new__",     "__reduce__",        "__reduce_ex__",   "__repr__",
    "__setattr__", "__sizeof__",  "__str__",           "__subclasshook__"};
constexpr std::array dict_internals = {
    "__class_getitem__", "__contains__", "__delitem__",  "__getitem__", "__ior__",    "__iter__",
    "__len__",           "__or__",       "__reversed__", "__ror__",     "__setitem__"};
constexpr std::array changing_dict_methods = {"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::array changing_list_methods = {"append", "clear", "pop",    "reverse",
                                              "insert", "sort",  "extend", "remove"};

template <typename Names>
bool is_among(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Value unsafe(const Value& object, const std::string& name) {
  return Value::undefined(
      "access to attribute '" + name + "' of '" + type_name(object) + "' object is unsafe.", true);
}

Value no_attribute(const Value& object, const std::string& name) {
  return Value::undefined("'" + type_name(object) + " object' has no attribute '" + name + "'");
}

Value bind_method(const Value& object, std::string_view name, Callable call) {
  auto function = std::make_shared<Function>();
  function->name = name;
  function->self = object;
  function->call = call;
  function->depth = object.depth() + 1;
  if (function->depth > max_object_depth) limit_failure("values are nested too deep");
  return Value(Kind::function, std::move(function));
}

std::optional<Value> loop_attribute(Interpreter& run, const Value& object, std::string_view name) {
  LoopContext& loop = object.as<LoopContext>();
  const std::int64_t index = loop.index0 + 1;
  if (name == "index") return Value(index);
  if (name == "index0") return Value(loop.index0);
  if (name == "first") return Value(loop.index0 == 0);
  if (name == "last") return Value(!loop.peek(run).has_value());
  if (name == "length") return Value(loop.count(run));
  if (name == "revindex") return Value(loop.count(run) - loop.index0);
  if (name == "revindex0") return Value(loop.count(run) - index);
  if (name == "depth") return Value(loop.depth0 + 1);
  if (name == "depth0") return Value(loop.depth0);
  if (name == "previtem")
    return loop.index0 == 0 ? Value::undefined("there is no previous item") : loop.before;
  if (name == "nextitem") {
    const std::optional<Value>& next = loop.peek(run);
    return next ? *next : Value::undefined("there is no next item");
  }
  return std::nullopt;
}

std::optional<Value> macro_attribute(Interpreter& run, const Value& object, std::string_view name) {
  const Macro& macro = object.as<Macro>();
  const Signature& signature = *macro.statement->signature;
  if (name == "name") return macro.name.empty() ? Value() : run.string(macro.name);
  if (name == "catch_kwargs") return Value(signature.keywords_slot >= 0);
  if (name == "catch_varargs") return Value(signature.varargs_slot >= 0);
  if (name == "caller") return Value(signature.caller_slot >= 0 || signature.explicit_caller);
  if (name == "explicit_caller") return Value(signature.explicit_caller);
  if (name == "arguments") {
    Values names;
    for (const Parameter& parameter : signature.parameters)
      names.push_back(run.string(parameter.name->name));
    return run.tuple(std::move(names));
  }
  return std::nullopt;
}

std::optional<Value> number_attribute(const Value& object, std::string_view name) {
  const Value plain = object.is(Kind::real) ? object : Value(object.integer());
  if (name == "real") return plain;
  if (name == "imag") return object.is(Kind::real) ? Value(0.0) : Value(0);
  if (object.is(Kind::real)) return std::nullopt;
  if (name == "numerator") return plain;
  if (name == "denominator") return Value(1);
  return std::nullopt;
}

/// Python's getattr, or nothing where it raises AttributeError.
std::optional<Value> attribute_of(Interpreter& run, const Value& object, const std::string& name) {
  if (Callable method = find_method(object, name)) return bind_method(object, name, method);
  switch (object.kind()) {
    case Kind::loop:
      return loop_attribute(run, object, name);
    case Kind::macro:
      return macro_attribute(run, object, name);
    case Kind::boolean:
    case Kind::integer:
    case Kind::real:
      return number_attribute(object, name);
    case Kind::space: {
      const Value* value = object.as<Space>().attributes->find(std::string_view(name));
      return value == nullptr ? std::nullopt : std::optional<Value>(*value);
    }
    case Kind::range: {
      const Range& range = object.as<Range>();
      if (name == "start") return Value(range.start);
      if (name == "stop") return Value(range.stop);
      if (name == "step") return Value(range.step);
      return std::nullopt;
    }
    case Kind::tuple:
      if (!object.sequence().group) return std::nullopt;
      if (name == "grouper") return object.sequence().items[0];
      if (name == "list") return object.sequence().items[1];
      return std::nullopt;
    case Kind::cycler:
      if (name == "current") return object.as<Cycler>().items[object.as<Cycler>().position];
      if (name == "pos") return Value(static_cast<std::int64_t>(object.as<Cycler>().position));
      if (name == "items") return run.tuple(object.as<Cycler>().items);
      return std::nullopt;
    case Kind::joiner:
      if (name == "sep") return object.as<Joiner>().separator;
      if (name == "used") return Value(object.as<Joiner>().used);
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

/// Names that exist but that the sandbox withholds.
bool is_withheld(const Value& object, const std::string& name) {
  if (object.is(Kind::list))
    return is_among(changing_list_methods, name) || is_among(object_internals, name);
  if (object.is(Kind::dict))
    return is_among(changing_dict_methods, name) || is_among(object_internals, name) ||
           is_among(dict_internals, name);
  if (object.is(Kind::space)) return name == "__class__" || name == "_Namespace__attrs";
  return is_among(object_internals, name);
}

std::optional<Value> sequence_item(const Values& items, const Value& index) {
  if (!index.is_integral()) return std::nullopt;
  const auto size = static_cast<std::int64_t>(items.size());
  const std::int64_t at = index.integer() < 0 ? index.integer() + size : index.integer();
  if (at < 0 || at >= size) return std::nullopt;
  return items[static_cast<std::size_t>(at)];
}

std::optional<Value> character(Interpreter& run, const String& string, const Value& index) {
  if (!index.is_integral()) return std::nullopt;
  const auto size = static_cast<std::int64_t>(string.points);
  const std::int64_t at = index.integer() < 0 ? index.integer() + size : index.integer();
  if (at < 0 || at >= size) return std::nullopt;
  auto begin = static_cast<std::size_t>(at);
  if (!string.is_ascii()) {
    run.budget().scan(string.text.size());
    begin = byte_offset(string.text.view(), begin);
  }
  std::size_t end = begin;
  next_code_point(string.text.view(), end);
  return run.string(string.text.slice(begin, end), string.markup);
}

bool is_hashable(const Value& value) {
  if (value.is(Kind::list) || value.is(Kind::dict) || value.is(Kind::view)) return false;
  if (!value.is(Kind::tuple)) return true;
  const Values& items = value.sequence().items;
  return std::all_of(items.begin(), items.end(), is_hashable);
}

/// object[argument], or nothing where Python raises TypeError or LookupError.
std::optional<Value> item_of(Interpreter& run, const Value& object, const Value& argument) {
  switch (object.kind()) {
    case Kind::dict: {
      if (!is_hashable(argument)) return std::nullopt;
      const Value* value = object.dict().find(argument);
      return value == nullptr ? std::nullopt : std::optional<Value>(*value);
    }
    case Kind::list:
    case Kind::tuple:
      return sequence_item(object.sequence().items, argument);
    case Kind::string:
      return character(run, object.string(), argument);
    case Kind::range: {
      if (!argument.is_integral()) return std::nullopt;
      const Range& range = object.as<Range>();
      const std::int64_t at =
          argument.integer() < 0 ? argument.integer() + range.length : argument.integer();
      if (at < 0 || at >= range.length) return std::nullopt;
      return range.at(at);
    }
    default:
      return std::nullopt;
  }
}

/// The attribute as the sandbox gives it out, or nothing where there is none.
std::optional<Value> safe_attribute(Interpreter& run, const Value& object,
                                    const std::string& name) {
  if (is_withheld(object, name)) return unsafe(object, name);
  std::optional<Value> value = attribute_of(run, object, name);
  if (value && name.starts_with("_")) return unsafe(object, name);
  return value;
}

}  // namespace

Value read_attribute(Interpreter& run, const Value& object, const Value& name) {
  if (object.is(Kind::undefined)) refuse_undefined(object);
  if (auto value = safe_attribute(run, object, name.bytes())) return *value;
  if (auto item = item_of(run, object, name)) return *item;
  return no_attribute(object, name.bytes());
}

Value read_only_attribute(Interpreter& run, const Value& object, const Value& name) {
  if (object.is(Kind::undefined)) refuse_undefined(object);
  if (auto value = safe_attribute(run, object, name.bytes())) return *value;
  return no_attribute(object, name.bytes());
}

Value read_item(Interpreter& run, const Value& object, const Value& argument) {
  if (object.is(Kind::undefined)) refuse_undefined(object);
  if (auto item = item_of(run, object, argument)) return *item;
  if (argument.is(Kind::string)) {
    if (auto value = safe_attribute(run, object, argument.bytes())) return *value;
    return no_attribute(object, argument.bytes());
  }
  return Value::undefined(type_name(object) + " object has no element " +
                          to_repr(run.budget(), argument).bytes());
}

SliceRange slice_range(const Values& parts, std::int64_t length) {
  const auto index = [](const Value& part) {
    if (!part.is_integral())
      type_failure("slice indices must be integers or None or have an __index__ method");
    return part.integer();
  };
  const std::int64_t step = parts[2].is(Kind::none) ? 1 : index(parts[2]);
  if (step == 0) value_failure("slice step cannot be zero");
  const std::int64_t low = step < 0 ? -1 : 0;
  const std::int64_t high = step < 0 ? length - 1 : length;
  const auto clip = [&](const Value& part, std::int64_t fallback) {
    if (part.is(Kind::none)) return fallback;
    std::int64_t at = index(part);
    if (at < 0) at = at < -length ? low : at + length;
    return std::clamp(at, low, high);
  };
  const std::int64_t start = clip(parts[0], step < 0 ? high : low);
  const std::int64_t stop = clip(parts[1], step < 0 ? low : high);
  std::int64_t count = 0;
  if (step > 0 && start < stop) count = (stop - start - 1) / step + 1;
  if (step < 0 && stop < start) count = step < -length ? 1 : (start - stop - 1) / -step + 1;
  return {start, step, count};
}

Value read_slice(Interpreter& run, const Value& object, const Value& slice) {
  const Values& parts = slice.sequence().items;
  if (object.is(Kind::undefined)) refuse_undefined(object);
  if (object.is(Kind::string)) {
    const String& string = object.string();
    const SliceRange range = slice_range(parts, static_cast<std::int64_t>(string.points));
    run.budget().scan(string.text.size());
    if (range.step == 1) {
      const auto first = static_cast<std::size_t>(range.start);
      const auto count = static_cast<std::size_t>(range.count);
      const std::size_t begin = string.is_ascii() ? first : byte_offset(string.text.view(), first);
      const std::size_t size =
          string.is_ascii() ? count : byte_offset(string.text.view().substr(begin), count);
      return run.string(string.text.slice(begin, begin + size), string.markup);
    }
    std::vector<std::size_t> offsets;
    run.budget().allocate(string.points * sizeof(std::size_t));
    for (std::size_t at = 0; at < string.text.size(); next_code_point(string.text.view(), at))
      offsets.push_back(at);
    offsets.push_back(string.text.size());
    Text text;
    for (std::int64_t i = 0; i < range.count; ++i) {
      const auto at = static_cast<std::size_t>(range.start + i * range.step);
      text.append(string.text, offsets[at], offsets[at + 1]);
    }
    return run.string(std::move(text), string.markup);
  }
  if (object.is(Kind::list) || object.is(Kind::tuple)) {
    const Values& items = object.sequence().items;
    const SliceRange range = slice_range(parts, static_cast<std::int64_t>(items.size()));
    run.budget().allocate(static_cast<std::size_t>(range.count) * sizeof(Value));
    Values cut;
    for (std::int64_t i = 0; i < range.count; ++i)
      cut.push_back(items[static_cast<std::size_t>(range.start + i * range.step)]);
    return object.is(Kind::list) ? run.list(std::move(cut)) : run.tuple(std::move(cut));
  }
  if (object.is(Kind::range)) {
    const Range& range = object.as<Range>();
    const SliceRange cut = slice_range(parts, range.length);
    auto result = std::make_shared<Range>();
    if (cut.count > 0) {
      result->start = range.start + cut.start * range.step;
      result->step = cut.count > 1 ? range.step * cut.step : range.step;
      result->length = cut.count;
      const std::int64_t last = result->start + result->step * (cut.count - 1);
      if (__builtin_add_overflow(last, result->step, &result->stop)) result->stop = last;
    }
    return Value(Kind::range, std::move(result));
  }
  if (object.is(Kind::dict)) type_failure("unhashable type: 'slice'");
  type_failure("'" + type_name(object) + "' object is not subscriptable");
}

}  // namespace fg::text::jinja
