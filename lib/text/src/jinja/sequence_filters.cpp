#include "jinja/arguments.hpp"
#include "jinja/attribute_path.hpp"
#include "jinja/iteration.hpp"
#include "jinja/operators.hpp"
#include "jinja/registry.hpp"
#include "jinja/sorting.hpp"
#include "jinja/string_tools.hpp"

namespace fg::text::jinja {
namespace {

struct Keyed {
  Value key;
  Value item;
};

Value length(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("length", arguments, {}, 0, false);
  return Value(length_of(run, value));
}

Value list(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("list", arguments, {}, 0);
  return run.list(collect(run, value));
}

Value first(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("first", arguments, {}, 0);
  const auto item = iterate(run, value)->next(run);
  return item ? *item : Value::undefined("No first item, sequence was empty.");
}

/// The items from back to front, for what Python's reversed() takes.
std::optional<Values> reversed_items(Interpreter& run, const Value& value) {
  const bool reversible = is_iterable(value) && !value.is(Kind::iterator) && !value.is(Kind::loop);
  if (!reversible) return std::nullopt;
  Values items = collect(run, value);
  std::reverse(items.begin(), items.end());
  return items;
}

Value last(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("last", arguments, {}, 0);
  const auto items = reversed_items(run, value);
  if (!items) type_failure("'" + type_name(value) + "' object is not reversible");
  return items->empty() ? Value::undefined("No last item, sequence was empty.") : items->front();
}

Value reverse(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("reverse", arguments, {}, 0);
  if (auto items = reversed_items(run, value)) {
    if (!value.is(Kind::string)) return iterator_of(run, std::move(*items));
    Text text;
    for (const Value& item : *items) text.append(item.string().text);
    return run.string(std::move(text), value.string().markup);
  }
  Values items = collect(run, value);
  std::reverse(items.begin(), items.end());
  return run.list(std::move(items));
}

/// Key of each item by `attribute`, strings in lower case unless `case_sensitive`.
std::vector<Keyed> keyed(Interpreter& run, const Value& value, const Value& attribute,
                         bool case_sensitive, const Value& fallback = Value()) {
  const AttributePath path(run, attribute);
  std::vector<Keyed> result;
  for_each(run, value, [&](const Value& item) {
    Value key = path.follow(run, item, fallback);
    if (!case_sensitive) key = without_case(run, key);
    result.push_back({std::move(key), item});
  });
  run.budget().allocate(result.size() * sizeof(Keyed));
  return result;
}

void sort_keyed(Interpreter& run, std::vector<Keyed>& items, bool backward) {
  merge_sort(run, items, [&](const Keyed& a, const Keyed& b) {
    return backward ? less_than(run, b.key, a.key) : less_than(run, a.key, b.key);
  });
}

/// The attributes of a comma-separated list as one list, for sort.
Value multi_key(Interpreter& run, const std::vector<AttributePath>& paths, const Value& item,
                bool case_sensitive) {
  Values keys;
  for (const AttributePath& path : paths) {
    Value key = path.follow(run, item);
    keys.push_back(case_sensitive ? key : without_case(run, key));
  }
  return run.list(std::move(keys));
}

Value sort(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("sort", arguments, {"reverse", "case_sensitive", "attribute"}, 0);
  const bool case_sensitive = is_true(bound.get(1, Value(false)));
  const Value attribute = bound.get(2, Value());
  std::vector<AttributePath> paths;
  if (attribute.is(Kind::string)) {
    for (const Part& part : split_at(attribute.bytes(), ",", -1))
      paths.emplace_back(run, run.string(attribute.string().text.slice(part.begin, part.end)));
  } else {
    paths.emplace_back(run, attribute);
  }
  std::vector<Keyed> items;
  for_each(run, value, [&](const Value& item) {
    items.push_back({multi_key(run, paths, item, case_sensitive), item});
  });
  sort_keyed(run, items, is_true(bound.get(0, Value(false))));
  Values sorted;
  for (Keyed& entry : items) sorted.push_back(std::move(entry.item));
  return run.list(std::move(sorted));
}

Value dictsort(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("dictsort", arguments, {"case_sensitive", "by", "reverse"}, 0);
  const Value by = bound.get(1, run.string("key"));
  const bool by_key = by.is(Kind::string) && by.bytes() == "key";
  if (!by_key && !(by.is(Kind::string) && by.bytes() == "value"))
    throw Failure(FailureKind::runtime, "You can only sort by either \"key\" or \"value\"");
  if (value.is(Kind::undefined)) refuse_undefined(value);
  if (!value.is(Kind::dict)) type_failure("dictsort needs a mapping, not " + type_name(value));
  const bool case_sensitive = is_true(bound.get(0, Value(false)));
  std::vector<Keyed> items;
  for (const auto& [name, entry] : value.dict().entries) {
    run.budget().step();
    const Value& key = by_key ? name : entry;
    items.push_back({case_sensitive ? key : without_case(run, key), run.tuple({name, entry})});
  }
  sort_keyed(run, items, is_true(bound.get(2, Value(false))));
  Values sorted;
  for (Keyed& entry : items) sorted.push_back(std::move(entry.item));
  return run.list(std::move(sorted));
}

template <bool largest>
Value extreme(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("min/max", arguments, {"case_sensitive", "attribute"}, 0);
  const std::vector<Keyed> items =
      keyed(run, value, bound.get(1, Value()), is_true(bound.get(0, Value(false))));
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  const Keyed* best = &items[0];
  for (const Keyed& item : items)
    if (&item != best &&
        (largest ? less_than(run, best->key, item.key) : less_than(run, item.key, best->key)))
      best = &item;
  return best->item;
}

Value sum(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("sum", arguments, {"attribute", "start"}, 0);
  const AttributePath path(run, bound.get(0, Value()));
  Value total = bound.get(1, Value(0));
  if (total.is(Kind::string)) type_failure("sum() can't sum strings [use ''.join(seq) instead]");
  for_each(run, value, [&](const Value& item) {
    total = apply_binary(run, BinaryOperator::add, total, path.follow(run, item));
  });
  return total;
}

Value group_pair(Interpreter& run, Value key, Values items) {
  auto pair = std::make_shared<Sequence>();
  pair->items = {std::move(key), run.list(std::move(items))};
  pair->group = true;
  for (const Value& item : pair->items) pair->depth = std::max(pair->depth, item.depth() + 1);
  if (pair->depth > max_object_depth) limit_failure("values are nested too deep");
  return Value(Kind::tuple, std::move(pair));
}

Value groupby(Interpreter& run, const Value& value, const Arguments& arguments) {
  const Bound bound("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const bool case_sensitive = is_true(bound.get(2, Value(false)));
  const Value fallback = bound.get(1, Value());
  std::vector<Keyed> items = keyed(run, value, bound.at(0), case_sensitive, fallback);
  sort_keyed(run, items, false);
  const AttributePath path(run, bound.at(0));
  Values groups;
  for (std::size_t begin = 0; begin < items.size();) {
    std::size_t end = begin;
    Values members;
    while (end < items.size() && equals(run, items[end].key, items[begin].key))
      members.push_back(items[end++].item);
    if (end == begin) members.push_back(items[end++].item);  // a NaN is not equal to itself
    Value key = case_sensitive ? items[begin].key : path.follow(run, members[0], fallback);
    groups.push_back(group_pair(run, std::move(key), std::move(members)));
    begin = end;
  }
  return run.list(std::move(groups));
}

constexpr NamedCallable table[] = {
    {"length", length},      {"count", length},      {"list", list}, {"first", first},
    {"last", last},          {"reverse", reverse},   {"sort", sort}, {"dictsort", dictsort},
    {"min", extreme<false>}, {"max", extreme<true>}, {"sum", sum},   {"groupby", groupby},
};

}  // namespace

CallableTable sequence_filters() {
  return {std::begin(table), std::end(table)};
}

}  // namespace fg::text::jinja
