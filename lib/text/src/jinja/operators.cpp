#include "jinja/operators.hpp"

#include <cmath>
#include <cstring>

#include "jinja/interpreter.hpp"
#include "jinja/iteration.hpp"

namespace fg::text::jinja {
namespace {

constexpr int max_compare_depth = 2 * max_object_depth;

/// Sign of a - b, exact for ints beyond 2^53; nothing with a NaN.
std::optional<int> order_numbers(const Value& a, const Value& b) {
  const auto sign = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  if (a.is_integral() && b.is_integral()) return sign(a.integer(), b.integer());
  if (std::isnan(a.real()) || std::isnan(b.real())) return std::nullopt;
  return sign(
      a.is_integral() ? static_cast<long double>(a.integer()) : static_cast<long double>(a.real()),
      b.is_integral() ? static_cast<long double>(b.integer()) : static_cast<long double>(b.real()));
}

bool is_sequence(const Value& value) {
  return value.is(Kind::list) || value.is(Kind::tuple);
}

bool same_range(const Range& a, const Range& b) {
  if (a.length != b.length) return false;
  if (a.length == 0) return true;
  return a.start == b.start && (a.length == 1 || a.step == b.step);
}

class Comparer {
public:
  explicit Comparer(Interpreter& run) : run_(run) {}

  bool equal(const Value& a, const Value& b) {
    if (a.is_number() && b.is_number()) return order_numbers(a, b) == 0;
    if (a.kind() != b.kind()) return false;
    if (a.object() != nullptr && a.object() == b.object()) return true;
    switch (a.kind()) {
      case Kind::string:
        run_.budget().scan(std::min(a.bytes().size(), b.bytes().size()));
        return a.bytes() == b.bytes();
      case Kind::list:
      case Kind::tuple:
        return equal_sequences(a.sequence().items, b.sequence().items);
      case Kind::dict:
        return equal_dicts(a.dict(), b.dict());
      case Kind::view:
        return equal_views(a.as<View>(), b.as<View>());
      case Kind::range:
        return same_range(a.as<Range>(), b.as<Range>());
      case Kind::none:
      case Kind::undefined:
      case Kind::missing:
        return true;
      default:
        return false;
    }
  }

  bool less(const Value& a, const Value& b, bool or_equal) {
    if (a.is(Kind::undefined)) refuse_undefined(a);
    if (b.is(Kind::undefined)) refuse_undefined(b);
    if (a.is_number() && b.is_number()) {
      const auto order = order_numbers(a, b);
      return order && (*order < 0 || (or_equal && *order == 0));
    }
    if (a.is(Kind::string) && b.is(Kind::string)) {
      run_.budget().scan(std::min(a.bytes().size(), b.bytes().size()));
      const int order = a.bytes().compare(b.bytes());
      return order < 0 || (or_equal && order == 0);
    }
    if (a.kind() == b.kind() && is_sequence(a))
      return less_sequences(a.sequence().items, b.sequence().items, or_equal);
    type_failure(std::string("'") + (or_equal ? "<=" : "<") +
                 "' not supported between instances of '" + type_name(a) + "' and '" +
                 type_name(b) + "'");
  }

private:
  void descend() {
    run_.budget().step();
    if (++depth_ > max_compare_depth) limit_failure("values are nested too deep to compare");
  }

  bool equal_sequences(const Values& a, const Values& b) {
    if (a.size() != b.size()) return false;
    descend();
    for (std::size_t i = 0; i < a.size(); ++i) {
      run_.budget().step();
      if (!equal(a[i], b[i])) return false;
    }
    --depth_;
    return true;
  }

  bool equal_dicts(const Dict& a, const Dict& b) {
    if (a.entries.size() != b.entries.size()) return false;
    descend();
    for (const auto& [key, value] : a.entries) {
      run_.budget().step();
      const Value* other = b.find(key);
      if (other == nullptr || !equal(value, *other)) return false;
    }
    --depth_;
    return true;
  }

  bool equal_views(const View& a, const View& b) {
    if (a.kind != b.kind || a.kind == ViewKind::values) return false;
    if (a.kind == ViewKind::items) return equal_dicts(*a.dict, *b.dict);
    if (a.dict->entries.size() != b.dict->entries.size()) return false;
    for (const auto& [key, value] : a.dict->entries) {
      run_.budget().step();
      if (b.dict->find(key) == nullptr) return false;
    }
    return true;
  }

  bool less_sequences(const Values& a, const Values& b, bool or_equal) {
    descend();
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      run_.budget().step();
      if (equal(a[i], b[i])) continue;
      const bool result = less(a[i], b[i], or_equal);
      --depth_;
      return result;
    }
    --depth_;
    return a.size() < b.size() || (or_equal && a.size() == b.size());
  }

  Interpreter& run_;
  int depth_ = 0;
};

bool dict_contains(const Dict& dict, const Value& item) {
  return dict.find(item) != nullptr;
}

bool view_contains(Interpreter& run, const View& view, const Value& item) {
  if (view.kind == ViewKind::keys) return dict_contains(*view.dict, item);
  if (view.kind == ViewKind::items) {
    if (!item.is(Kind::tuple) || item.sequence().items.size() != 2) return false;
    const Value* found = view.dict->find(item.sequence().items[0]);
    return found != nullptr && equals(run, *found, item.sequence().items[1]);
  }
  for (const auto& [key, value] : view.dict->entries) {
    run.budget().step();
    if (equals(run, value, item)) return true;
  }
  return false;
}

bool range_contains(const Range& range, const Value& item) {
  if (!item.is_number() || range.length == 0) return false;
  if (item.is(Kind::real) &&
      (std::trunc(item.real()) != item.real() || std::fabs(item.real()) > 9e18))
    return false;
  const std::int64_t value =
      item.is(Kind::real) ? static_cast<std::int64_t>(item.real()) : item.integer();
  const std::int64_t last = range.start + (range.length - 1) * range.step;
  const auto [low, high] = std::minmax(range.start, last);
  return value >= low && value <= high && (value - range.start) % range.step == 0;
}

}  // namespace

bool is_true(const Value& value) {
  switch (value.kind()) {
    case Kind::missing:
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
    case Kind::integer:
      return value.integer() != 0;
    case Kind::real:
      return value.real() != 0;
    case Kind::loop:
      return true;
    default:
      return known_length(value).value_or(1) != 0;
  }
}

void refuse_undefined(const Value& value) {
  if (!value.is(Kind::undefined)) throw Failure(FailureKind::undefined, "a value is undefined");
  const auto& reason = value.as<UndefinedReason>();
  throw Failure(reason.unsafe ? FailureKind::security : FailureKind::undefined, reason.message);
}

bool same_key(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return order_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  if (a.is(Kind::string)) return a.bytes() == b.bytes();
  if (a.is(Kind::range)) return a.object() == b.object();
  if (a.is(Kind::tuple)) {
    const Values& left = a.sequence().items;
    const Values& right = b.sequence().items;
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), same_key);
  }
  return a.is(Kind::none) || a.is(Kind::undefined) || a.object() == b.object();
}

bool equals(Interpreter& run, const Value& a, const Value& b) {
  return Comparer(run).equal(a, b);
}

bool less_than(Interpreter& run, const Value& a, const Value& b) {
  return Comparer(run).less(a, b, false);
}

bool contains(Interpreter& run, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::string:
      if (!item.is(Kind::string))
        type_failure("'in <string>' requires string as left operand, not " + type_name(item));
      run.budget().scan(container.bytes().size());
      return find_bytes(container.bytes(), item.bytes(), 0) != std::string_view::npos;
    case Kind::dict:
      return dict_contains(container.dict(), item);
    case Kind::view:
      return view_contains(run, container.as<View>(), item);
    case Kind::range:
      return range_contains(container.as<Range>(), item);
    default:
      break;
  }
  if (!is_iterable(container))
    type_failure("argument of type '" + type_name(container) + "' is not iterable");
  const std::shared_ptr<Iterator> items = iterate(run, container);
  while (const auto candidate = items->next(run)) {
    run.budget().step();
    if (equals(run, *candidate, item)) return true;
  }
  return false;
}

bool compare(Interpreter& run, Comparison comparison, const Value& a, const Value& b) {
  switch (comparison) {
    case Comparison::equal:
      return equals(run, a, b);
    case Comparison::unequal:
      return !equals(run, a, b);
    case Comparison::less:
      return Comparer(run).less(a, b, false);
    case Comparison::less_equal:
      return Comparer(run).less(a, b, true);
    case Comparison::greater:
      return Comparer(run).less(b, a, false);
    case Comparison::greater_equal:
      return Comparer(run).less(b, a, true);
    case Comparison::in:
      return contains(run, b, a);
    case Comparison::not_in:
      return !contains(run, b, a);
  }
  return false;
}

std::size_t find_bytes(std::string_view text, std::string_view needle, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  // memmem is linear in glibc, std::string::find is not.
  const void* found =
      ::memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace fg::text::jinja
