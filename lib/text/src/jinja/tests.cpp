#include "jinja/arguments.hpp"
#include "jinja/attributes.hpp"
#include "jinja/iteration.hpp"
#include "jinja/operators.hpp"
#include "jinja/python_text.hpp"
#include "jinja/registry.hpp"

namespace fg::text::jinja {
namespace {

using Test = bool (*)(Interpreter& run, const Value& value, const Arguments& arguments);

void alone(const char* name, const Arguments& arguments) {
  const Bound bound(name, arguments, {}, 0);
}

template <Kind kind>
bool is_kind(Interpreter&, const Value& value, const Arguments& arguments) {
  alone("test", arguments);
  return value.is(kind);
}

bool is_defined(Interpreter&, const Value& value, const Arguments& arguments) {
  alone("defined", arguments);
  return !value.is(Kind::undefined);
}

template <bool wanted>
bool is_constant(Interpreter&, const Value& value, const Arguments& arguments) {
  alone("true/false", arguments);
  return value.is(Kind::boolean) && value.boolean() == wanted;
}

bool is_number(Interpreter&, const Value& value, const Arguments& arguments) {
  alone("number", arguments);
  return value.is_number();
}

template <int wanted>
bool has_parity(Interpreter& run, const Value& value, const Arguments& arguments) {
  alone("odd/even", arguments);
  return equals(run, apply_binary(run, BinaryOperator::modulo, value, Value(2)), Value(wanted));
}

bool is_divisible(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("divisibleby", arguments, {"num"}, 1);
  return equals(run, apply_binary(run, BinaryOperator::modulo, value, bound.at(0)), Value(0));
}

bool string_test(Interpreter& run, const Value& value, const char* method) {
  const Value string = value.is(Kind::string) ? value : run.string(to_str(run.budget(), value));
  return find_method(string, method)(run, string, {}).boolean();
}

bool is_lower_case(Interpreter& run, const Value& value, const Arguments& arguments) {
  alone("lower", arguments);
  return string_test(run, value, "islower");
}

bool is_upper_case(Interpreter& run, const Value& value, const Arguments& arguments) {
  alone("upper", arguments);
  return string_test(run, value, "isupper");
}

bool is_sequence(Interpreter&, const Value& value, const Arguments& arguments) {
  alone("sequence", arguments);
  switch (value.kind()) {
    case Kind::string:
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::range:
    case Kind::undefined:
      return true;
    default:
      return false;
  }
}

bool test_iterable(Interpreter&, const Value& value, const Arguments& arguments) {
  alone("iterable", arguments);
  return is_iterable(value);
}

bool is_callable(Interpreter&, const Value& value, const Arguments& arguments) {
  alone("callable", arguments);
  switch (value.kind()) {
    case Kind::function:
    case Kind::macro:
    case Kind::loop:
    case Kind::joiner:
    case Kind::undefined:
      return true;
    default:
      return false;
  }
}

bool is_escaped(Interpreter&, const Value& value, const Arguments& arguments) {
  alone("escaped", arguments);
  return value.is(Kind::string) && value.string().markup;
}

/// Python's `is`: one object. Small ints, constants and the same string or list are.
bool is_same(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("sameas", arguments, {"other"}, 1);
  const Value& other = bound.at(0);
  if (value.kind() != other.kind()) return false;
  if (value.object() != nullptr) {
    if (value.object() == other.object()) return true;
    return value.is(Kind::string) && value.string().points <= 1 && value.bytes() == other.bytes();
  }
  return equals(run, value, other);
}

bool is_filter(Interpreter&, const Value& value, const Arguments& arguments) {
  alone("filter", arguments);
  hash_of(value);
  return value.is(Kind::string) && has_filter(value.bytes());
}

bool is_test(Interpreter&, const Value& value, const Arguments& arguments) {
  alone("test", arguments);
  hash_of(value);
  return value.is(Kind::string) && has_test(value.bytes());
}

template <Comparison comparison>
bool compares(Interpreter& run, const Value& value, const Arguments& arguments) {
  const bool named = comparison == Comparison::in;
  const Bound bound("comparison", arguments, {named ? "seq" : "other"}, 1, named);
  return compare(run, comparison, value, bound.at(0));
}

struct NamedTest {
  std::string_view name;
  Test test;
};

constexpr NamedTest tests[] = {
    {"odd", has_parity<1>},
    {"even", has_parity<0>},
    {"divisibleby", is_divisible},
    {"defined", is_defined},
    {"undefined", is_kind<Kind::undefined>},
    {"filter", is_filter},
    {"test", is_test},
    {"none", is_kind<Kind::none>},
    {"boolean", is_kind<Kind::boolean>},
    {"false", is_constant<false>},
    {"true", is_constant<true>},
    {"integer", is_kind<Kind::integer>},
    {"float", is_kind<Kind::real>},
    {"lower", is_lower_case},
    {"upper", is_upper_case},
    {"string", is_kind<Kind::string>},
    {"mapping", is_kind<Kind::dict>},
    {"number", is_number},
    {"sequence", is_sequence},
    {"iterable", test_iterable},
    {"callable", is_callable},
    {"sameas", is_same},
    {"escaped", is_escaped},
    {"in", compares<Comparison::in>},
    {"==", compares<Comparison::equal>},
    {"eq", compares<Comparison::equal>},
    {"equalto", compares<Comparison::equal>},
    {"!=", compares<Comparison::unequal>},
    {"ne", compares<Comparison::unequal>},
    {">", compares<Comparison::greater>},
    {"gt", compares<Comparison::greater>},
    {"greaterthan", compares<Comparison::greater>},
    {">=", compares<Comparison::greater_equal>},
    {"ge", compares<Comparison::greater_equal>},
    {"<", compares<Comparison::less>},
    {"lt", compares<Comparison::less>},
    {"lessthan", compares<Comparison::less>},
    {"<=", compares<Comparison::less_equal>},
    {"le", compares<Comparison::less_equal>},
};

Test find_test(std::string_view name) {
  for (const NamedTest& entry : tests)
    if (entry.name == name) return entry.test;
  return nullptr;
}

}  // namespace

bool has_test(std::string_view name) {
  return find_test(name) != nullptr;
}

bool apply_test(Interpreter& run, std::string_view name, const Value& value,
                const Arguments& arguments) {
  const Test test = find_test(name);
  if (test == nullptr)
    throw Failure(FailureKind::runtime, "No test named '" + std::string(name) + "' found.");
  return test(run, value, arguments);
}

}  // namespace fg::text::jinja
