#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <fg/base/nearest.hpp>
#include <fg/optim/schedule_json.hpp>

namespace fg::optim {
namespace {

constexpr std::pair<ScheduleType, const char*> type_names[] = {
    {ScheduleType::constant, "constant"},
    {ScheduleType::linear, "linear"},
    {ScheduleType::cosine, "cosine"},
    {ScheduleType::wsd, "wsd"},
    {ScheduleType::infinite, "infinite"}};

constexpr std::pair<Annealing, const char*> annealing_names[] = {
    {Annealing::exponential, "exponential"}, {Annealing::rsqrt, "rsqrt"}};

/// How one option is read (gives what was wanted where the value does not fit) and written (null
/// where it is absent).
struct Field {
  std::string name;
  std::function<std::string(ScheduleOptions&, const Json&)> read;
  std::function<Json(const ScheduleOptions&)> write;
};

template <typename Value, std::size_t count>
Field word(std::string name, Value ScheduleOptions::*field,
           const std::pair<Value, const char*> (&names)[count]) {
  const auto read = [field, &names](ScheduleOptions& options, const Json& json) {
    std::string wanted;
    std::vector<std::string> known;
    for (const auto& [value, text] : names) {
      if (json == text) options.*field = value;
      if (json == text) return std::string();
      wanted += (wanted.empty() ? "one of " : ", ") + std::string(text);
      known.emplace_back(text);
    }
    return json.is_string() ? wanted + did_you_mean(json.get<std::string>(), known) : wanted;
  };
  const auto write = [field, &names](const ScheduleOptions& options) {
    for (const auto& [value, text] : names)
      if (value == options.*field) return Json(text);
    return Json();
  };
  return {std::move(name), read, write};
}

/// For `double` and `std::optional<double>`.
template <typename Value>
Field number(std::string name, Value ScheduleOptions::*field) {
  const auto read = [field](ScheduleOptions& options, const Json& json) -> std::string {
    if (!json.is_number()) return "a number";
    options.*field = json.get<double>();
    return "";
  };
  const auto write = [field](const ScheduleOptions& options) {
    const std::optional<double> value = options.*field;
    return value ? Json(*value) : Json();
  };
  return {std::move(name), read, write};
}

std::optional<std::uint64_t> whole_number(const Json& json) {
  if (json.is_number_unsigned()) return json.get<std::uint64_t>();
  if (json.is_number_integer() && json.get<std::int64_t>() >= 0) return json.get<std::uint64_t>();
  if (!json.is_number_float()) return std::nullopt;
  const double value = json.get<double>();  // 5.6e8
  if (!(value >= 0 && value <= 0x1p53) || value != std::floor(value)) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

/// For `Duration` and `std::optional<Duration>`.
template <typename Value>
Field duration(std::string name, Value ScheduleOptions::*field) {
  const auto read = [field](ScheduleOptions& options, const Json& json) -> std::string {
    const bool in_tokens = json.is_object() && json.size() == 1 && json.contains("tokens");
    const auto count = whole_number(in_tokens ? json["tokens"] : json);
    if (!count) return "a whole number of steps, or {tokens: N}";
    options.*field = Duration{*count, in_tokens ? Duration::Unit::tokens : Duration::Unit::steps};
    return "";
  };
  const auto write = [field](const ScheduleOptions& options) {
    const std::optional<Duration> value = options.*field;
    if (!value) return Json();
    if (value->unit == Duration::Unit::steps) return Json(value->count);
    return Json{{"tokens", value->count}};
  };
  return {std::move(name), read, write};
}

const std::vector<Field>& fields() {
  using O = ScheduleOptions;
  static const std::vector<Field> table = {word("type", &O::type, type_names),
                                           duration("warmup", &O::warmup),
                                           duration("total", &O::total),
                                           number("min_lr", &O::min_lr),
                                           number("min_lr_ratio", &O::min_lr_ratio),
                                           duration("decay", &O::decay),
                                           duration("decay_start", &O::decay_start),
                                           duration("cooldown", &O::cooldown),
                                           number("constant_lr", &O::constant_lr),
                                           word("annealing", &O::annealing, annealing_names),
                                           number("tau", &O::tau)};
  return table;
}

std::string mistake_in(ScheduleOptions& options, const std::string& key, const Json& value) {
  std::vector<std::string> known;
  for (const Field& field : fields()) {
    known.push_back(field.name);
    if (field.name != key) continue;
    const std::string wanted = field.read(options, value);
    return wanted.empty() ? "" : key + " is " + value.dump() + ", but must be " + wanted;
  }
  return "there is no option '" + key + "'" + did_you_mean(key, known);
}

}  // namespace

ScheduleOptions schedule_from_json(const Json& json, std::string_view where) {
  const std::string begin = std::string(where) + ": ";
  if (!json.is_object()) fail(ExitCode::usage, begin + "not a map of options");
  ScheduleOptions options;
  std::string mistakes;
  for (const auto& [key, value] : json.items()) {
    const std::string mistake = mistake_in(options, key, value);
    if (!mistake.empty()) mistakes += (mistakes.empty() ? "" : "\n") + begin + mistake;
  }
  if (!mistakes.empty()) fail(ExitCode::usage, mistakes);
  return options;
}

Json to_json(const ScheduleOptions& options) {
  Json json = Json::object();
  for (const Field& field : fields()) {
    Json value = field.write(options);
    if (!value.is_null()) json[field.name] = std::move(value);
  }
  return json;
}

}  // namespace fg::optim
