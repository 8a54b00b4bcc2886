#include "jinja/arguments.hpp"
#include "jinja/attribute_path.hpp"
#include "jinja/iteration.hpp"
#include "jinja/operators.hpp"
#include "jinja/registry.hpp"

namespace fg::text::jinja {
namespace {

/// A filter that Python writes as a generator: nothing happens before its first item is asked for.
class LazyFilter : public Iterator {
public:
  LazyFilter(Value source, Arguments arguments)
      : source_value_(std::move(source)), arguments_(std::move(arguments)) {
    depth = source_value_.depth() + 1;
    for (const Value& argument : arguments_.positional)
      depth = std::max(depth, argument.depth() + 1);
    for (const auto& [name, argument] : arguments_.keywords)
      depth = std::max(depth, argument.depth() + 1);
  }

  std::optional<Value> next(Interpreter& run) final {
    if (finished_) return std::nullopt;
    if (running_) value_failure("generator already executing");
    if (!started_) {
      started_ = true;
      start(run);
    }
    running_ = true;
    std::optional<Value> item;
    try {
      if (!finished_) item = produce(run);
    } catch (...) {
      running_ = false;
      finished_ = true;
      throw;
    }
    running_ = false;
    if (!item) finished_ = true;
    return item;
  }

protected:
  virtual void start(Interpreter& run) { source_ = iterate(run, source_value_); }
  virtual std::optional<Value> produce(Interpreter& run) = 0;
  std::optional<Value> pull(Interpreter& run) {
    run.budget().step();
    return source_->next(run);
  }

  Value source_value_;
  Arguments arguments_;
  std::shared_ptr<Iterator> source_;
  bool finished_ = false;

private:
  bool started_ = false;
  bool running_ = false;
};

Arguments without_first(const Arguments& arguments, std::size_t count) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<std::ptrdiff_t>(count));
  return rest;
}

std::string callable_name(const Value& value, const char* what) {
  if (value.is(Kind::string)) return value.bytes();
  if (value.is(Kind::undefined))
    throw Failure(FailureKind::runtime, std::string("No ") + what + " named Undefined.");
  throw Failure(FailureKind::runtime,
                std::string("a ") + what + " is named by a string, not " + type_name(value));
}

class Mapped : public LazyFilter {
public:
  using LazyFilter::LazyFilter;

private:
  void start(Interpreter& run) override {
    if (!is_true(source_value_)) {
      finished_ = true;
      return;
    }
    const Value* attribute = keyword("attribute");
    if (arguments_.positional.empty() && attribute != nullptr) {
      for (const auto& [name, value] : arguments_.keywords)
        if (name.bytes() != "attribute" && name.bytes() != "default")
          throw Failure(FailureKind::runtime, "Unexpected keyword argument '" + name.bytes() + "'");
      path_.emplace(run, *attribute);
      if (const Value* fallback = keyword("default")) fallback_ = *fallback;
    } else {
      if (arguments_.positional.empty())
        throw Failure(FailureKind::runtime, "map requires a filter argument");
      filter_ = callable_name(arguments_.positional[0], "filter");
      rest_ = without_first(arguments_, 1);
    }
    LazyFilter::start(run);
  }

  std::optional<Value> produce(Interpreter& run) override {
    const std::optional<Value> item = pull(run);
    if (!item) return std::nullopt;
    if (path_) return path_->follow(run, *item, fallback_);
    return apply_filter(run, filter_, *item, rest_);
  }

  const Value* keyword(const char* wanted) const {
    for (const auto& [name, value] : arguments_.keywords)
      if (name.bytes() == wanted) return &value;
    return nullptr;
  }

  std::optional<AttributePath> path_;
  Value fallback_;
  std::string filter_;
  Arguments rest_;
};

template <bool keeps, bool by_attribute>
class Selected : public LazyFilter {
public:
  using LazyFilter::LazyFilter;

private:
  void start(Interpreter& run) override {
    if (!is_true(source_value_)) {
      finished_ = true;
      return;
    }
    std::size_t taken = 0;
    if (by_attribute) {
      if (arguments_.positional.empty())
        throw Failure(FailureKind::runtime, "Missing parameter for attribute name");
      path_.emplace(run, arguments_.positional[taken++]);
    }
    if (arguments_.positional.size() > taken) {
      test_ = callable_name(arguments_.positional[taken++], "test");
      rest_ = without_first(arguments_, taken);
    }
    LazyFilter::start(run);
  }

  std::optional<Value> produce(Interpreter& run) override {
    while (auto item = pull(run)) {
      const Value looked_at = path_ ? path_->follow(run, *item) : *item;
      const bool passes = test_ ? apply_test(run, *test_, looked_at, rest_) : is_true(looked_at);
      if (passes == keeps) return item;
    }
    return std::nullopt;
  }

  std::optional<AttributePath> path_;
  std::optional<std::string> test_;
  Arguments rest_;
};

class Unique : public LazyFilter {
public:
  using LazyFilter::LazyFilter;

private:
  void start(Interpreter& run) override {
    const Bound bound("unique", arguments_, {"case_sensitive", "attribute"}, 0);
    case_sensitive_ = is_true(bound.get(0, Value(false)));
    path_.emplace(run, bound.get(1, Value()));
    LazyFilter::start(run);
  }

  std::optional<Value> produce(Interpreter& run) override {
    while (auto item = pull(run)) {
      Value key = path_->follow(run, *item);
      if (!case_sensitive_) key = without_case(run, key);
      if (seen_.find(key) != nullptr) continue;
      run.budget().allocate(2 * sizeof(Value));
      seen_.set(key, Value());
      return item;
    }
    return std::nullopt;
  }

  bool case_sensitive_ = false;
  std::optional<AttributePath> path_;
  Dict seen_;
};

class Pairs : public LazyFilter {
public:
  using LazyFilter::LazyFilter;

private:
  void start(Interpreter& run) override {
    if (source_value_.is(Kind::undefined)) {
      finished_ = true;
      return;
    }
    if (!source_value_.is(Kind::dict)) type_failure("Can only get item pairs from a mapping.");
    source_ = iterate(run, source_value_);
  }

  std::optional<Value> produce(Interpreter& run) override {
    const auto key = pull(run);
    if (!key) return std::nullopt;
    return run.tuple({*key, *source_value_.dict().find(*key)});
  }
};

class Batches : public LazyFilter {
public:
  using LazyFilter::LazyFilter;

private:
  void start(Interpreter& run) override {
    const Bound bound("batch", arguments_, {"linecount", "fill_with"}, 1);
    size_ = bound.at(0);
    fill_ = bound.get(1, Value());
    LazyFilter::start(run);
  }

  std::optional<Value> produce(Interpreter& run) override {
    Values batch = std::move(left_);
    left_.clear();
    while (auto item = pull(run)) {
      if (equals(run, Value(static_cast<std::int64_t>(batch.size())), size_)) {
        left_ = {std::move(*item)};
        return run.list(std::move(batch));
      }
      batch.push_back(std::move(*item));
    }
    if (batch.empty()) return std::nullopt;
    if (!fill_.is(Kind::none) &&
        less_than(run, Value(static_cast<std::int64_t>(batch.size())), size_)) {
      const std::size_t wanted = need_size(size_);
      run.budget().step(static_cast<std::int64_t>(std::min<std::size_t>(wanted, 1U << 30U)));
      batch.resize(wanted, fill_);
    }
    return run.list(std::move(batch));
  }

  Value size_;
  Value fill_;
  Values left_;
};

class Slices : public LazyFilter {
public:
  using LazyFilter::LazyFilter;

private:
  void start(Interpreter& run) override {
    const Bound bound("slice", arguments_, {"slices", "fill_with"}, 1);
    items_ = collect(run, source_value_);
    count_ = need_integer(bound.at(0));
    fill_ = bound.get(1, Value());
    if (count_ == 0) throw Failure(FailureKind::division, "integer division or modulo by zero");
  }

  std::optional<Value> produce(Interpreter& run) override {
    if (number_ >= count_) return std::nullopt;
    run.budget().step();
    const auto size = static_cast<std::int64_t>(items_.size());
    const std::int64_t each = size / count_;
    const std::int64_t longer = size % count_;
    const std::int64_t begin = number_ * each + std::min(number_, longer);
    const std::int64_t end = begin + each + (number_ < longer ? 1 : 0);
    Values part(items_.begin() + begin, items_.begin() + end);
    if (!fill_.is(Kind::none) && number_ >= longer) part.push_back(fill_);
    ++number_;
    return run.list(std::move(part));
  }

  Values items_;
  std::int64_t count_ = 0;
  std::int64_t number_ = 0;
  Value fill_;
};

template <typename Filter>
Value make_lazy(Interpreter& run, const Value& value, const Arguments& arguments) {
  run.budget().allocate(sizeof(Filter) + arguments.positional.size() * sizeof(Value));
  auto filter = std::make_shared<Filter>(value, arguments);
  if (filter->depth > max_object_depth) limit_failure("iterators are nested too deep");
  return Value(Kind::iterator, std::move(filter));
}

/// As make_lazy, for filters whose arguments Python checks at the call.
template <typename Filter, std::size_t count, std::size_t required>
Value make_checked(Interpreter& run, const Value& value, const Arguments& arguments,
                   const char* const (&names)[count]) {
  if (arguments.positional.size() > count) type_failure("the filter takes fewer arguments");
  std::size_t given = arguments.positional.size();
  for (const auto& [name, argument] : arguments.keywords) {
    bool known = false;
    for (std::size_t i = arguments.positional.size(); i < count; ++i)
      known = known || name.bytes() == names[i];
    if (!known)
      type_failure("the filter got an unexpected keyword argument '" + name.bytes() + "'");
    if (name.bytes() == names[0]) ++given;
  }
  if (given < required)
    type_failure(std::string("the filter misses its argument '") + names[0] + "'");
  return make_lazy<Filter>(run, value, arguments);
}

constexpr const char* unique_names[] = {"case_sensitive", "attribute"};
constexpr const char* batch_names[] = {"linecount", "fill_with"};
constexpr const char* slice_names[] = {"slices", "fill_with"};

Value unique(Interpreter& run, const Value& value, const Arguments& arguments) {
  return make_checked<Unique, 2, 0>(run, value, arguments, unique_names);
}
Value batch(Interpreter& run, const Value& value, const Arguments& arguments) {
  return make_checked<Batches, 2, 1>(run, value, arguments, batch_names);
}
Value slice(Interpreter& run, const Value& value, const Arguments& arguments) {
  return make_checked<Slices, 2, 1>(run, value, arguments, slice_names);
}
Value items(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("items", arguments, {}, 0);
  return make_lazy<Pairs>(run, value, arguments);
}

constexpr NamedCallable table[] = {
    {"map", make_lazy<Mapped>},
    {"select", make_lazy<Selected<true, false>>},
    {"reject", make_lazy<Selected<false, false>>},
    {"selectattr", make_lazy<Selected<true, true>>},
    {"rejectattr", make_lazy<Selected<false, true>>},
    {"unique", unique},
    {"items", items},
    {"batch", batch},
    {"slice", slice},
};

}  // namespace

CallableTable lazy_filters() {
  return {std::begin(table), std::end(table)};
}

}  // namespace fg::text::jinja
