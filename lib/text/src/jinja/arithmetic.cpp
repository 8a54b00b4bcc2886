#include <cmath>

#include "jinja/interpreter.hpp"
#include "jinja/markup.hpp"
#include "jinja/operators.hpp"
#include "jinja/printf_format.hpp"

namespace fg::text::jinja {
namespace {

[[noreturn]] void overflow() {
  throw Failure(FailureKind::limit, "integer does not fit in 64 bits");
}

[[noreturn]] void divide_by_zero() {
  throw Failure(FailureKind::division, "division by zero");
}

const char* spelling(BinaryOperator op) {
  switch (op) {
    case BinaryOperator::add:
      return "+";
    case BinaryOperator::subtract:
      return "-";
    case BinaryOperator::multiply:
      return "*";
    case BinaryOperator::divide:
      return "/";
    case BinaryOperator::floor_divide:
      return "//";
    case BinaryOperator::modulo:
      return "%";
    case BinaryOperator::power:
      return "**";
  }
  return "";
}

[[noreturn]] void unsupported(BinaryOperator op, const Value& a, const Value& b) {
  if (a.is(Kind::undefined)) refuse_undefined(a);
  if (b.is(Kind::undefined)) refuse_undefined(b);
  type_failure(std::string("unsupported operand type(s) for ") + spelling(op) + ": '" +
               type_name(a) + "' and '" + type_name(b) + "'");
}

/// Python's floor division and remainder of floats (float_divmod): the remainder has the divisor's
/// sign.
std::pair<double, double> divide_floor(double a, double b) {
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0) {
    if ((b < 0) != (remainder < 0)) {
      remainder += b;
      quotient -= 1;
    }
  } else {
    remainder = std::copysign(0.0, b);
  }
  if (quotient == 0) return {std::copysign(0.0, a / b), remainder};
  double floored = std::floor(quotient);
  if (quotient - floored > 0.5) floored += 1;
  return {floored, remainder};
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) overflow();
  }
  return result;
}

Value power(double base, double exponent) {
  if (base == 0 && exponent < 0) divide_by_zero();
  if (base < 0 && std::isfinite(base) && std::isfinite(exponent) &&
      std::trunc(exponent) != exponent)
    value_failure("a fractional power of a negative number is complex, which is not supported");
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent))
    throw Failure(FailureKind::overflow, "Numerical result out of range");
  return Value(result);
}

Value integer_result(BinaryOperator op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  switch (op) {
    case BinaryOperator::add:
      if (__builtin_add_overflow(a, b, &result)) overflow();
      return Value(result);
    case BinaryOperator::subtract:
      if (__builtin_sub_overflow(a, b, &result)) overflow();
      return Value(result);
    case BinaryOperator::multiply:
      if (__builtin_mul_overflow(a, b, &result)) overflow();
      return Value(result);
    case BinaryOperator::divide:
      if (b == 0) divide_by_zero();
      return Value(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case BinaryOperator::floor_divide:
    case BinaryOperator::modulo: {
      if (b == 0) divide_by_zero();
      if (b == -1) {
        if (op == BinaryOperator::modulo) return Value(0);
        if (__builtin_sub_overflow(std::int64_t{0}, a, &result)) overflow();
        return Value(result);
      }
      std::int64_t quotient = a / b;
      std::int64_t remainder = a % b;
      if (remainder != 0 && (remainder < 0) != (b < 0)) {
        --quotient;
        remainder += b;
      }
      return Value(op == BinaryOperator::modulo ? remainder : quotient);
    }
    case BinaryOperator::power:
      if (b < 0) return power(static_cast<double>(a), static_cast<double>(b));
      return Value(power(a, b));
  }
  return Value();
}

Value real_result(BinaryOperator op, double a, double b) {
  switch (op) {
    case BinaryOperator::add:
      return Value(a + b);
    case BinaryOperator::subtract:
      return Value(a - b);
    case BinaryOperator::multiply:
      return Value(a * b);
    case BinaryOperator::divide:
      if (b == 0) divide_by_zero();
      return Value(a / b);
    case BinaryOperator::floor_divide:
      if (b == 0) divide_by_zero();
      return Value(divide_floor(a, b).first);
    case BinaryOperator::modulo:
      if (b == 0) divide_by_zero();
      return Value(divide_floor(a, b).second);
    case BinaryOperator::power:
      return power(a, b);
  }
  return Value();
}

Text repeat_text(const Text& text, std::size_t times) {
  if (text.runs().empty()) {
    std::string bytes;
    bytes.reserve(text.size() * times);
    if (!text.empty())
      for (std::size_t i = 0; i < times; ++i) bytes += text.bytes();
    return Text(bytes);
  }
  Text result;
  for (std::size_t i = 0; i < times; ++i) result.append(text);
  return result;
}

Value repeat(Interpreter& run, const Value& value, std::int64_t count) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  if (value.is(Kind::string)) {
    const Text& text = value.string().text;
    if (!text.empty() && times > max_string_bytes / text.size())
      limit_failure("a repeated string is longer than " + std::to_string(max_string_bytes) +
                    " bytes");
    return run.string(repeat_text(text, times), value.string().markup);
  }
  const Values& items = value.sequence().items;
  if (!items.empty() && times > max_string_bytes / items.size())
    limit_failure("a repeated list has more than " + std::to_string(max_string_bytes) + " items");
  run.budget().allocate(items.size() * times * sizeof(Value));
  Values result;
  if (!items.empty())
    for (std::size_t i = 0; i < times; ++i) result.insert(result.end(), items.begin(), items.end());
  return value.is(Kind::list) ? run.list(std::move(result)) : run.tuple(std::move(result));
}

bool is_repeatable(const Value& value) {
  return value.is(Kind::string) || value.is(Kind::list) || value.is(Kind::tuple);
}

Value join(Interpreter& run, const Value& a, const Value& b) {
  if (a.is(Kind::string)) {
    const bool markup = a.string().markup || b.string().markup;
    const auto part = [&](const Value& value) {
      return markup && !value.string().markup ? escape_text(value.string().text)
                                              : value.string().text;
    };
    Text text = part(a);
    text.append(part(b));
    return run.string(std::move(text), markup);
  }
  Values items = a.sequence().items;
  const Values& more = b.sequence().items;
  items.insert(items.end(), more.begin(), more.end());
  return a.is(Kind::list) ? run.list(std::move(items)) : run.tuple(std::move(items));
}

}  // namespace

Value apply_binary(Interpreter& run, BinaryOperator op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return integer_result(op, a.integer(), b.integer());
    return real_result(op, a.real(), b.real());
  }
  if (op == BinaryOperator::add && a.kind() == b.kind() && is_repeatable(a)) return join(run, a, b);
  if (op == BinaryOperator::multiply) {
    if (is_repeatable(a) && b.is_integral()) return repeat(run, a, b.integer());
    if (is_repeatable(b) && a.is_integral()) return repeat(run, b, a.integer());
  }
  if (op == BinaryOperator::modulo && a.is(Kind::string)) return format_printf(run, a.string(), b);
  unsupported(op, a, b);
}

Value negate(const Value& value) {
  if (value.is(Kind::real)) return Value(-value.real());
  if (value.is_integral()) return integer_result(BinaryOperator::subtract, 0, value.integer());
  if (value.is(Kind::undefined)) refuse_undefined(value);
  type_failure("bad operand type for unary -: '" + type_name(value) + "'");
}

Value keep_sign(const Value& value) {
  if (value.is(Kind::real)) return value;
  if (value.is_integral()) return Value(value.integer());
  if (value.is(Kind::undefined)) refuse_undefined(value);
  type_failure("bad operand type for unary +: '" + type_name(value) + "'");
}

}  // namespace fg::text::jinja
