#include "jinja/iteration.hpp"

#include "jinja/operators.hpp"
#include "jinja/unicode.hpp"

namespace fg::text::jinja {
namespace {

class SequenceItems : public Iterator {
public:
  explicit SequenceItems(const Value& value) : value_(value) { depth = value.depth() + 1; }
  std::optional<Value> next(Interpreter&) override {
    const Values& items = value_.sequence().items;
    if (at_ >= items.size()) return std::nullopt;
    return items[at_++];
  }

private:
  Value value_;
  std::size_t at_ = 0;
};

class Characters : public Iterator {
public:
  explicit Characters(const Value& value) : value_(value) { depth = value.depth() + 1; }
  std::optional<Value> next(Interpreter& run) override {
    const Text& text = value_.string().text;
    if (at_ >= text.size()) return std::nullopt;
    const std::size_t begin = at_;
    next_code_point(text.bytes(), at_);
    return run.string(text.slice(begin, at_));  // plain, also of markup
  }

private:
  Value value_;
  std::size_t at_ = 0;
};

class DictItems : public Iterator {
public:
  DictItems(std::shared_ptr<const Dict> dict, ViewKind kind) : dict_(std::move(dict)), kind_(kind) {
    depth = dict_->depth + 1;
  }
  std::optional<Value> next(Interpreter& run) override {
    if (at_ >= dict_->entries.size()) return std::nullopt;
    const auto& [key, value] = dict_->entries[at_++];
    if (kind_ == ViewKind::keys) return key;
    if (kind_ == ViewKind::values) return value;
    return run.tuple({key, value});
  }

private:
  std::shared_ptr<const Dict> dict_;
  ViewKind kind_;
  std::size_t at_ = 0;
};

class RangeItems : public Iterator {
public:
  explicit RangeItems(const Range& range)
      : at_(range.start), step_(range.step), left_(range.length) {}
  std::optional<Value> next(Interpreter&) override {
    if (left_ == 0) return std::nullopt;
    const Value value(at_);
    if (--left_ > 0) at_ += step_;
    return value;
  }

private:
  std::int64_t at_;
  std::int64_t step_;
  std::int64_t left_;
};

class Nothing : public Iterator {
public:
  std::optional<Value> next(Interpreter&) override { return std::nullopt; }
};

/// A loop iterated from inside: pairs of its next items and itself.
class LoopItems : public Iterator {
public:
  explicit LoopItems(const Value& loop) : loop_(loop) {}
  std::optional<Value> next(Interpreter& run) override {
    LoopContext& loop = loop_.as<LoopContext>();
    if (!loop.advance(run)) return std::nullopt;
    return run.tuple({loop.current, loop_});
  }

private:
  Value loop_;
};

class OwnItems : public Iterator {
public:
  explicit OwnItems(Values items) : items_(std::move(items)) {
    for (const Value& item : items_) depth = std::max(depth, item.depth() + 1);
  }
  std::optional<Value> next(Interpreter&) override {
    if (at_ >= items_.size()) return std::nullopt;
    return items_[at_++];
  }

private:
  Values items_;
  std::size_t at_ = 0;
};

}  // namespace

bool is_iterable(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::missing:
    case Kind::string:
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::view:
    case Kind::range:
    case Kind::iterator:
    case Kind::loop:
      return true;
    case Kind::none:
    case Kind::boolean:
    case Kind::integer:
    case Kind::real:
    case Kind::space:
    case Kind::macro:
    case Kind::cycler:
    case Kind::joiner:
    case Kind::function:
      return false;
  }
  return false;
}

std::shared_ptr<Iterator> iterate(Interpreter& run, const Value& value) {
  run.budget().allocate(sizeof(SequenceItems));
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::missing:
      return std::make_shared<Nothing>();
    case Kind::string:
      return std::make_shared<Characters>(value);
    case Kind::list:
    case Kind::tuple:
      return std::make_shared<SequenceItems>(value);
    case Kind::dict:
      return std::make_shared<DictItems>(std::static_pointer_cast<Dict>(value.object()),
                                         ViewKind::keys);
    case Kind::view:
      return std::make_shared<DictItems>(value.as<View>().dict, value.as<View>().kind);
    case Kind::range:
      return std::make_shared<RangeItems>(value.as<Range>());
    case Kind::iterator:
      return std::static_pointer_cast<Iterator>(value.object());
    case Kind::loop:
      return std::make_shared<LoopItems>(value);
    default:
      type_failure("'" + type_name(value) + "' object is not iterable");
  }
}

std::optional<std::int64_t> known_length(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::missing:
      return 0;
    case Kind::string:
      return static_cast<std::int64_t>(value.string().points);
    case Kind::list:
    case Kind::tuple:
      return static_cast<std::int64_t>(value.sequence().items.size());
    case Kind::dict:
      return static_cast<std::int64_t>(value.dict().entries.size());
    case Kind::view:
      return static_cast<std::int64_t>(value.as<View>().dict->entries.size());
    case Kind::range:
      return value.as<Range>().length;
    default:
      return std::nullopt;
  }
}

std::int64_t length_of(Interpreter& run, const Value& value) {
  if (value.is(Kind::loop)) return value.as<LoopContext>().count(run);
  if (const auto length = known_length(value)) return *length;
  type_failure("object of type '" + type_name(value) + "' has no len()");
}

Values collect(Interpreter& run, const Value& value) {
  Values items;
  for_each(run, value, [&](const Value& item) { items.push_back(item); });
  return items;
}

Value iterator_of(Interpreter& run, Values items) {
  run.budget().allocate(items.size() * sizeof(Value));
  auto iterator = std::make_shared<OwnItems>(std::move(items));
  if (iterator->depth > max_object_depth) limit_failure("iterators are nested too deep");
  return Value(Kind::iterator, std::move(iterator));
}

}  // namespace fg::text::jinja
