#include "jinja/value.hpp"

#include <cmath>
#include <functional>

#include "jinja/failure.hpp"
#include "jinja/operators.hpp"

namespace fg::text::jinja {
namespace {

constexpr std::size_t indexed_from = 8;

std::size_t hash_real(double value) {
  if (value >= -9.2e18 && value <= 9.2e18 && std::trunc(value) == value)
    return std::hash<std::int64_t>()(static_cast<std::int64_t>(value));
  return std::hash<double>()(value);
}

}  // namespace

Value Value::missing() {
  Value value;
  value.kind_ = Kind::missing;
  return value;
}

Value Value::undefined(std::string message, bool unsafe) {
  auto reason = std::make_shared<UndefinedReason>();
  reason->message = std::move(message);
  reason->unsafe = unsafe;
  return Value(Kind::undefined, std::move(reason));
}

const String& Value::string() const {
  return as<String>();
}
const std::string& Value::bytes() const {
  return as<String>().text.bytes();
}
const Sequence& Value::sequence() const {
  return as<Sequence>();
}
const Dict& Value::dict() const {
  return as<Dict>();
}

std::size_t hash_of(const Value& value) {
  switch (value.kind()) {
    case Kind::string:
      return std::hash<std::string>()(value.bytes());
    case Kind::boolean:
    case Kind::integer:
      return std::hash<std::int64_t>()(value.integer());
    case Kind::real:
      return hash_real(value.real());
    case Kind::tuple: {
      std::size_t hash = 0x345678;
      for (const Value& item : value.sequence().items) hash = hash * 1000003 ^ hash_of(item);
      return hash;
    }
    case Kind::list:
    case Kind::dict:
    case Kind::view:
      type_failure("unhashable type: '" + type_name(value) + "'");
    case Kind::none:
    case Kind::undefined:
    case Kind::missing:
      return static_cast<std::size_t>(value.kind());
    case Kind::range:
    case Kind::iterator:
    case Kind::space:
    case Kind::macro:
    case Kind::loop:
    case Kind::cycler:
    case Kind::joiner:
    case Kind::function:
      return std::hash<const void*>()(value.object().get());
  }
  return 0;
}

const Value* Dict::find(const Value& key) const {
  const std::size_t hash = hash_of(key);
  if (entries.size() < indexed_from) {
    for (const auto& [own, value] : entries)
      if (same_key(own, key)) return &value;
    return nullptr;
  }
  const auto [first, last] = index_.equal_range(hash);
  for (auto at = first; at != last; ++at)
    if (same_key(entries[at->second].first, key)) return &entries[at->second].second;
  return nullptr;
}

const Value* Dict::find(std::string_view key) const {
  if (entries.size() < indexed_from) {
    for (const auto& [own, value] : entries)
      if (own.is(Kind::string) && own.bytes() == key) return &value;
    return nullptr;
  }
  const auto [first, last] = index_.equal_range(std::hash<std::string_view>()(key));
  for (auto at = first; at != last; ++at) {
    const Value& own = entries[at->second].first;
    if (own.is(Kind::string) && own.bytes() == key) return &entries[at->second].second;
  }
  return nullptr;
}

void Dict::set(const Value& key, const Value& value) {
  depth = std::max({depth, key.depth() + 1, value.depth() + 1});
  if (depth > max_object_depth) limit_failure("values are nested too deep");
  if (const Value* found = find(key)) {
    *const_cast<Value*>(found) = value;
    return;
  }
  entries.emplace_back(key, value);
  if (entries.size() < indexed_from) return;
  for (std::size_t i = index_.size(); i < entries.size(); ++i)
    index_.emplace(hash_of(entries[i].first), i);
}

std::string type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::missing:
    case Kind::undefined:
      return "Undefined";
    case Kind::none:
      return "NoneType";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
      return "int";
    case Kind::real:
      return "float";
    case Kind::string:
      return value.string().markup ? "Markup" : "str";
    case Kind::list:
      return "list";
    case Kind::tuple:
      return "tuple";
    case Kind::dict:
      return "dict";
    case Kind::view: {
      const ViewKind kind = value.as<View>().kind;
      return kind == ViewKind::keys     ? "dict_keys"
             : kind == ViewKind::values ? "dict_values"
                                        : "dict_items";
    }
    case Kind::range:
      return "range";
    case Kind::iterator:
      return "generator";
    case Kind::space:
      return "Namespace";
    case Kind::macro:
      return "Macro";
    case Kind::loop:
      return "LoopContext";
    case Kind::cycler:
      return "Cycler";
    case Kind::joiner:
      return "Joiner";
    case Kind::function:
      return "function";
  }
  return "object";
}

}  // namespace fg::text::jinja
