#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "jinja/text.hpp"

namespace fg::text::jinja {

class Interpreter;

enum class Kind : std::uint8_t {
  missing,  // a name without a value yet; never seen by a template
  undefined,
  none,
  boolean,
  integer,
  real,
  string,
  list,
  tuple,
  dict,
  view,
  range,
  iterator,
  space,  // namespace()
  macro,
  loop,
  cycler,
  joiner,
  function,  // a global, or a method bound to its value
};

/// The common base of what values share. `depth` bounds how deep immutable objects hold each other,
/// so that walking and releasing them never exhausts the stack.
struct Object {
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;
  int depth = 1;
};

inline constexpr int max_object_depth = 128;

struct String;
struct Sequence;
struct Dict;
struct View;
struct Range;
struct Space;
struct Macro;
struct LoopContext;
struct Function;
class Iterator;

/// A value of the template language: Python's None, bool, int (64 bits), float, str, list, tuple,
/// dict and what jinja2 adds. Cheap to copy; what it refers to is shared.
class Value {
public:
  Value() : kind_(Kind::none) {}
  Value(bool value) : kind_(Kind::boolean) { number_.boolean = value; }
  Value(std::int64_t value) : kind_(Kind::integer) { number_.integer = value; }
  Value(int value) : Value(static_cast<std::int64_t>(value)) {}
  Value(double value) : kind_(Kind::real) { number_.real = value; }
  Value(const char*) = delete;
  Value(Kind kind, std::shared_ptr<Object> object) : kind_(kind), object_(std::move(object)) {}

  static Value missing();
  /// An undefined value whose use fails with `message`; `unsafe`: by the sandbox.
  static Value undefined(std::string message, bool unsafe = false);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_integral() const { return kind_ == Kind::integer || kind_ == Kind::boolean; }
  bool is_number() const { return is_integral() || kind_ == Kind::real; }

  bool boolean() const { return number_.boolean; }
  /// An int or a bool as a number.
  std::int64_t integer() const {
    return kind_ == Kind::boolean ? static_cast<std::int64_t>(number_.boolean) : number_.integer;
  }
  double real() const {
    return kind_ == Kind::real ? number_.real : static_cast<double>(integer());
  }
  const String& string() const;
  const std::string& bytes() const;
  const Sequence& sequence() const;  // list or tuple
  const Dict& dict() const;
  template <typename T>
  T& as() const {
    return static_cast<T&>(*object_);
  }
  const std::shared_ptr<Object>& object() const { return object_; }
  int depth() const { return object_ ? object_->depth : 0; }

private:
  Kind kind_;
  union {
    bool boolean;
    std::int64_t integer;
    double real;
  } number_ = {};
  std::shared_ptr<Object> object_;
};

using Values = std::vector<Value>;

struct UndefinedReason : Object {
  std::string message;
  bool unsafe = false;
};

struct String : Object {
  Text text;
  std::size_t points = 0;  // code points
  bool markup = false;     // markupsafe.Markup: escapes what is joined to it
  bool is_ascii() const { return points == text.size(); }
};

struct Sequence : Object {
  Values items;
  bool input = false;  // made from messages, tools or documents
  bool group = false;  // a pair of groupby, with the attributes grouper and list
};

/// Keys in the order of their arrival; equal keys (1, 1.0, true) are one.
struct Dict : Object {
  std::vector<std::pair<Value, Value>> entries;
  bool input = false;

  /// Fails (type) for a key that cannot be hashed.
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  /// Sets or replaces; the key of the first arrival stays, as in Python.
  void set(const Value& key, const Value& value);

private:
  std::unordered_multimap<std::size_t, std::size_t> index_;  // of hashes, from a few entries on
};

enum class ViewKind { keys, values, items };

struct View : Object {
  std::shared_ptr<const Dict> dict;
  ViewKind kind = ViewKind::keys;
};

struct Range : Object {
  std::int64_t start = 0;
  std::int64_t stop = 0;
  std::int64_t step = 1;
  std::int64_t length = 0;
  Value at(std::int64_t index) const { return Value(start + index * step); }
};

/// Something that yields values one after another, once.
class Iterator : public Object {
public:
  virtual std::optional<Value> next(Interpreter& run) = 0;
};

/// An object that a template can make part of a cycle. The interpreter holds all of them until its
/// end and empties them then.
struct Cyclic : Object {
  virtual void release() noexcept = 0;
};

/// namespace(): the one object that a template can change.
struct Space : Cyclic {
  std::shared_ptr<Dict> attributes;
  void release() noexcept override { attributes->entries.clear(); }
};

struct Cycler : Object {
  Values items;
  std::size_t position = 0;
};

struct Joiner : Object {
  Value separator;
  bool used = false;
};

/// The arguments of one call.
struct Arguments {
  Values positional;
  std::vector<std::pair<Value, Value>> keywords;  // names are strings
};

using Callable = Value (*)(Interpreter& run, const Value& self, const Arguments& arguments);

struct Function : Object {
  std::string name;
  Value self;  // what a method is bound to
  Callable call = nullptr;
};

std::size_t hash_of(const Value& value);
/// Python's name of the type, as in its error messages.
std::string type_name(const Value& value);

}  // namespace fg::text::jinja
