#include <array>
#include <ctime>

#include "jinja/arguments.hpp"
#include "jinja/iteration.hpp"
#include "jinja/operators.hpp"
#include "jinja/python_text.hpp"
#include "jinja/registry.hpp"

namespace fg::text::jinja {
namespace {

constexpr std::int64_t max_range = 100'000;  // the sandbox's own

Value make_range(Interpreter& run, const Value&, const Arguments& arguments) {
  const Bound bound("range", arguments, {"start", "stop", "step"}, 1, false);
  auto range = std::make_shared<Range>();
  range->start = bound.has(1) ? need_integer(bound.at(0)) : 0;
  range->stop = need_integer(bound.at(bound.has(1) ? 1 : 0));
  range->step = bound.has(2) ? need_integer(bound.at(2)) : 1;
  if (range->step == 0) value_failure("range() arg 3 must not be zero");
  const bool up = range->step > 0;
  if (up ? range->start < range->stop : range->start > range->stop) {
    const auto distance =
        up ? static_cast<std::uint64_t>(range->stop) - static_cast<std::uint64_t>(range->start)
           : static_cast<std::uint64_t>(range->start) - static_cast<std::uint64_t>(range->stop);
    const std::uint64_t step =
        up ? static_cast<std::uint64_t>(range->step) : 0 - static_cast<std::uint64_t>(range->step);
    const std::uint64_t length = (distance - 1) / step + 1;
    if (length > static_cast<std::uint64_t>(max_range))
      throw Failure(FailureKind::overflow,
                    "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
    range->length = static_cast<std::int64_t>(length);
  }
  run.budget().step();
  return Value(Kind::range, std::move(range));
}

std::shared_ptr<Dict> build_dict(Interpreter& run, const char* name, const Arguments& arguments) {
  auto dict = make_dict();
  if (arguments.positional.size() > 1)
    type_failure(std::string(name) + " expected at most 1 argument, got " +
                 std::to_string(arguments.positional.size()));
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.is(Kind::dict)) {
      for (const auto& [key, value] : source.dict().entries) dict->set(key, value);
    } else {
      for_each(run, source, [&](const Value& pair) {
        const Values both = collect(run, pair);
        if (both.size() != 2)
          value_failure("dictionary update sequence element has a length other than 2");
        dict->set(both[0], both[1]);
      });
    }
  }
  for (const auto& [key, value] : arguments.keywords) dict->set(key, value);
  run.budget().allocate(dict->entries.size() * 2 * sizeof(Value));
  return dict;
}

Value make_dict_value(Interpreter& run, const Value&, const Arguments& arguments) {
  return dict_value(build_dict(run, "dict", arguments));
}

Value make_namespace(Interpreter& run, const Value&, const Arguments& arguments) {
  return run.make_space(build_dict(run, "namespace", arguments));
}

Value make_cycler(Interpreter& run, const Value&, const Arguments& arguments) {
  if (!arguments.keywords.empty()) type_failure("cycler() takes no keyword arguments");
  if (arguments.positional.empty())
    throw Failure(FailureKind::runtime, "at least one item has to be provided");
  run.budget().allocate(arguments.positional.size() * sizeof(Value));
  auto cycler = std::make_shared<Cycler>();
  cycler->items = arguments.positional;
  for (const Value& item : cycler->items) cycler->depth = std::max(cycler->depth, item.depth() + 1);
  if (cycler->depth > max_object_depth) limit_failure("values are nested too deep");
  return Value(Kind::cycler, std::move(cycler));
}

Value make_joiner(Interpreter& run, const Value&, const Arguments& arguments) {
  const Bound bound("joiner", arguments, {"sep"}, 0);
  auto joiner = std::make_shared<Joiner>();
  joiner->separator = bound.get(0, run.string(", "));
  joiner->depth = joiner->separator.depth() + 1;
  if (joiner->depth > max_object_depth) limit_failure("values are nested too deep");
  return Value(Kind::joiner, std::move(joiner));
}

Value raise_exception(Interpreter& run, const Value&, const Arguments& arguments) {
  const Bound bound("raise_exception", arguments, {"message"}, 1);
  throw Failure(FailureKind::runtime, to_str(run.budget(), bound.at(0)).bytes());
}

/// Local time by strftime; %f is the microseconds and %z and %Z are empty, as for Python's naive
/// datetime.
Value strftime_now(Interpreter& run, const Value&, const Arguments& arguments) {
  const Bound bound("strftime_now", arguments, {"format"}, 1);
  const std::string& format = need_string(bound.at(0), "strftime() argument 1").text.bytes();
  if (format.size() > 1000) limit_failure("strftime_now: the format is too long");
  const auto now = run.now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto fraction =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() %
      1'000'000;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::string result;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 >= format.size()) {
      result.push_back(format[i]);
      continue;
    }
    std::string directive = format.substr(i++, 2);
    while (i + 1 < format.size() &&
           std::string_view("-_0^#").find(format[i]) != std::string_view::npos)
      directive.push_back(format[++i]);
    if (directive == "%f") {
      const std::string digits = std::to_string(fraction);
      result += std::string(6 - digits.size(), '0') + digits;
    } else if (directive != "%z" && directive != "%Z") {
      std::array<char, 256> buffer;
      result.append(buffer.data(),
                    std::strftime(buffer.data(), buffer.size(), directive.c_str(), &local));
    }
  }
  return run.string(result);
}

Value refuse_lipsum(Interpreter&, const Value&, const Arguments&) {
  limit_failure("lipsum() is not supported in chat templates");
}

constexpr NamedCallable table[] = {
    {"range", make_range},          {"dict", make_dict_value}, {"namespace", make_namespace},
    {"cycler", make_cycler},        {"joiner", make_joiner},   {"raise_exception", raise_exception},
    {"strftime_now", strftime_now}, {"lipsum", refuse_lipsum},
};

}  // namespace

Value find_global(std::string_view name) {
  for (const NamedCallable& entry : table) {
    if (entry.name != name) continue;
    auto function = std::make_shared<Function>();
    function->name = name;
    function->call = entry.call;
    return Value(Kind::function, std::move(function));
  }
  return Value::missing();
}

}  // namespace fg::text::jinja
