#include <cmath>

#include "jinja/arguments.hpp"
#include "jinja/iteration.hpp"
#include "jinja/numbers.hpp"
#include "jinja/operators.hpp"
#include "jinja/registry.hpp"

namespace fg::text::jinja {
namespace {

Value absolute(Interpreter&, const Value& value, const Arguments& arguments) {
  const Bound bound("abs", arguments, {}, 0, false);
  if (value.is(Kind::real)) return Value(std::fabs(value.real()));
  if (!value.is_integral()) type_failure("bad operand type for abs(): '" + type_name(value) + "'");
  return value.integer() < 0 ? negate(value) : Value(value.integer());
}

/// float(value), nothing where Python raises TypeError or ValueError.
std::optional<double> to_real(const Value& value) {
  if (value.is(Kind::undefined)) refuse_undefined(value);
  if (value.is_number()) return value.real();
  if (value.is(Kind::string)) return parse_real(value.bytes());
  return std::nullopt;
}

Value to_integer(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("int", arguments, {"default", "base"}, 0);
  const Value fallback = bound.get(0, Value(0));
  if (value.is(Kind::undefined)) refuse_undefined(value);
  if (value.is_integral()) return Value(value.integer());
  if (value.is(Kind::string)) {
    const std::int64_t base = need_integer(bound.get(1, Value(10)));
    run.budget().scan(value.bytes().size());
    if (base >= 0 && base <= 36)
      if (const auto parsed = parse_integer(value.bytes(), static_cast<int>(base)))
        return Value(*parsed);
  } else if (value.is(Kind::real) && !std::isnan(value.real())) {
    return Value(truncate_real(value.real()));
  }
  const auto number = to_real(value);
  if (!number || !std::isfinite(*number)) return fallback;
  return Value(truncate_real(*number));
}

Value to_float(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("float", arguments, {"default"}, 0);
  if (value.is(Kind::string)) run.budget().scan(value.bytes().size());
  const auto number = to_real(value);
  return number ? Value(*number) : bound.get(0, Value(0.0));
}

Value round(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("round", arguments, {"precision", "method"}, 0);
  const Value method = bound.get(1, run.string("common"));
  const std::string name = method.is(Kind::string) ? method.bytes() : "";
  if (name != "common" && name != "ceil" && name != "floor")
    throw Failure(FailureKind::runtime, "method must be common, ceil or floor");
  if (value.is(Kind::undefined)) refuse_undefined(value);
  const Value precision = bound.get(0, Value(0));
  if (name == "common") {
    if (!value.is_number())
      type_failure("type " + type_name(value) + " doesn't define __round__ method");
    if (precision.is(Kind::none) || value.is_integral()) {
      if (value.is_integral())
        return Value(
            round_integer(value.integer(), precision.is(Kind::none) ? 0 : need_integer(precision)));
      return Value(truncate_real(std::nearbyint(value.real())));
    }
    return Value(round_real(value.real(), need_integer(precision)));
  }
  const Value unit = apply_binary(run, BinaryOperator::power, Value(10), precision);
  const Value scaled = apply_binary(run, BinaryOperator::multiply, value, unit);
  if (!scaled.is_number()) type_failure("must be real number, not " + type_name(scaled));
  const Value whole = scaled.is_integral()
                          ? scaled
                          : Value(truncate_real(name == "ceil" ? std::ceil(scaled.real())
                                                               : std::floor(scaled.real())));
  return apply_binary(run, BinaryOperator::divide, whole, unit);
}

Value filesizeformat(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("filesizeformat", arguments, {"binary"}, 0);
  const auto bytes = to_real(value);
  if (!bytes) value_failure("could not convert to float");
  const bool binary = is_true(bound.get(0, Value(false)));
  const double base = binary ? 1024 : 1000;
  if (*bytes == 1) return run.string("1 Byte");
  if (*bytes < base) return run.string(std::to_string(truncate_real(*bytes)) + " Bytes");
  double unit = base;
  std::string text;
  for (const char letter : std::string_view("kMGTPEZY")) {
    unit *= base;
    const char first = binary && letter == 'k' ? 'K' : letter;
    text = fixed_digits(base * *bytes / unit, 1) + " " + first + (binary ? "iB" : "B");
    if (*bytes < unit) break;
  }
  return run.string(text);
}

constexpr NamedCallable table[] = {
    {"abs", absolute},
    {"int", to_integer},
    {"float", to_float},
    {"round", round},
    {"filesizeformat", filesizeformat},
};

}  // namespace

CallableTable number_filters() {
  return {std::begin(table), std::end(table)};
}

}  // namespace fg::text::jinja
