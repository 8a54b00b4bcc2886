#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <span>

#include <fg/base/error.hpp>
#include <fg/base/nearest.hpp>
#include <fg/optim/options.hpp>

namespace fg::optim {
namespace {

struct TypeName {
  OptimizerType type;
  std::string_view name;
};

constexpr TypeName type_names[] = {{OptimizerType::adafactor, "adafactor"},
                                   {OptimizerType::adamw, "adamw"},
                                   {OptimizerType::adamw8bit, "adamw8bit"},
                                   {OptimizerType::adamw4bit, "adamw4bit"},
                                   {OptimizerType::sgd, "sgd"}};

// Which types have an option.
constexpr unsigned factored = 1;
constexpr unsigned adam = 2;
constexpr unsigned descent = 4;
constexpr unsigned with_moments = adam | descent;
constexpr unsigned every = factored | adam | descent;

unsigned family(OptimizerType type) {
  switch (type) {
    case OptimizerType::adafactor:
      return factored;
    case OptimizerType::adamw:
    case OptimizerType::adamw8bit:
    case OptimizerType::adamw4bit:
      return adam;
    case OptimizerType::sgd:
      return descent;
  }
  return 0;
}

/// Takes a value over; gives what was wanted instead where it does not fit.
using Setter = std::function<std::optional<std::string>(OptimizerOptions&, const OptionValue&)>;

struct Option {
  std::string name;
  unsigned types;
  Setter set;
};

Setter number(double OptimizerOptions::*field) {
  return
      [field](OptimizerOptions& options, const OptionValue& value) -> std::optional<std::string> {
        if (const auto* real = std::get_if<double>(&value)) {
          options.*field = *real;
        } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
          options.*field = static_cast<double>(*whole);
        } else {
          return "a number";
        }
        return std::nullopt;
      };
}

Setter boolean(bool OptimizerOptions::*field) {
  return
      [field](OptimizerOptions& options, const OptionValue& value) -> std::optional<std::string> {
        const auto* flag = std::get_if<bool>(&value);
        if (flag == nullptr) return "true or false";
        options.*field = *flag;
        return std::nullopt;
      };
}

std::optional<std::string> set_type(OptimizerOptions& options, const OptionValue& value) {
  std::vector<std::string> known;
  for (const TypeName& entry : type_names) known.emplace_back(entry.name);
  const auto* word = std::get_if<std::string>(&value);
  if (word != nullptr) {
    for (const TypeName& entry : type_names) {
      if (entry.name != *word) continue;
      options.type = entry.type;
      return std::nullopt;
    }
  }
  return "one of adafactor, adamw, adamw8bit, adamw4bit, sgd" +
         (word != nullptr ? did_you_mean(*word, known) : std::string());
}

std::optional<std::string> set_state_type(OptimizerOptions& options, const OptionValue& value) {
  const auto* word = std::get_if<std::string>(&value);
  if (word != nullptr && *word == "auto") {
    options.state_dtype = StateType::automatic;
  } else if (word != nullptr && *word == "float32") {
    options.state_dtype = StateType::float32;
  } else if (word != nullptr && *word == "bfloat16") {
    options.state_dtype = StateType::bfloat16;
  } else {
    return "auto, float32 or bfloat16";
  }
  return std::nullopt;
}

const std::vector<Option>& options_table() {
  using O = OptimizerOptions;
  static const std::vector<Option> table = {
      {"type", every, set_type},
      {"lr", every, number(&O::lr)},
      {"weight_decay", every, number(&O::weight_decay)},
      {"stochastic_rounding", every, boolean(&O::stochastic_rounding)},
      {"state_dtype", with_moments, set_state_type},
      {"beta1", adam, number(&O::beta1)},
      {"beta2", adam | factored, number(&O::beta2)},
      {"eps", adam, number(&O::eps)},
      {"decay_rate", factored, number(&O::decay_rate)},
      {"clip_threshold", factored, number(&O::clip_threshold)},
      {"eps_square", factored, number(&O::eps_square)},
      {"eps_scale", factored, number(&O::eps_scale)},
      {"relative_step", factored, boolean(&O::relative_step)},
      {"momentum", descent, number(&O::momentum)},
      {"nesterov", descent, boolean(&O::nesterov)},
  };
  return table;
}

const Option* find_option(std::string_view name) {
  for (const Option& option : options_table())
    if (option.name == name) return &option;
  return nullptr;
}

std::string text_of(const OptionValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&value)) return std::to_string(*real);
  return "'" + std::get<std::string>(value) + "'";
}

std::string joined(std::span<const std::string> words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : std::string(between)) + word;
  return text;
}

std::string unknown_option(std::string_view name) {
  std::vector<std::string> known;
  for (const Option& option : options_table()) known.push_back(option.name);
  return "no optimizer has an option '" + std::string(name) + "'" + did_you_mean(name, known);
}

void fail_if_any(const std::vector<std::string>& mistakes) {
  if (!mistakes.empty()) fail(ExitCode::usage, joined(mistakes, "\n"));
}

std::vector<std::string> range_mistakes(const OptimizerOptions& options, std::string_view where) {
  std::vector<std::string> mistakes;
  const auto demand = [&](bool holds, const char* name, double found, const char* wanted) {
    if (!holds)
      mistakes.push_back(std::string(where) + ": " + name + " is " + std::to_string(found) +
                         ", but must be " + wanted);
  };
  const auto at_least_zero = [&](double value, const char* name) {
    demand(std::isfinite(value) && value >= 0, name, value, "0 or more");
  };
  const auto below_one = [&](double value, const char* name) {
    demand(value >= 0 && value < 1, name, value, "at least 0 and below 1");
  };
  at_least_zero(options.lr, "lr");
  at_least_zero(options.weight_decay, "weight_decay");
  below_one(options.beta1, "beta1");
  below_one(options.beta2, "beta2");
  demand(options.eps >= 1.2e-38 && options.eps < 1, "eps", options.eps,
         "at least 1.2e-38 and below 1");
  demand(options.decay_rate >= -1 && options.decay_rate < 0, "decay_rate", options.decay_rate,
         "at least -1 and below 0");
  demand(std::isfinite(options.clip_threshold) && options.clip_threshold > 0, "clip_threshold",
         options.clip_threshold, "above 0");
  // Below the least normal float the square would vanish in float32, and an all-zero row divide by
  // 0.
  demand(options.eps_square >= 1.2e-38 && options.eps_square < 1, "eps_square", options.eps_square,
         "at least 1.2e-38 and below 1");
  at_least_zero(options.eps_scale, "eps_scale");
  below_one(options.momentum, "momentum");
  demand(!options.nesterov || options.momentum > 0, "momentum", options.momentum,
         "above 0 with nesterov");
  return mistakes;
}

}  // namespace

std::string_view to_string(OptimizerType type) {
  for (const TypeName& entry : type_names)
    if (entry.type == type) return entry.name;
  return "?";
}

std::vector<std::string> option_names(OptimizerType type) {
  std::vector<std::string> names;
  for (const Option& option : options_table())
    if ((option.types & family(type)) != 0) names.push_back(option.name);
  return names;
}

bool is_common_option(std::string_view name) {
  const Option* option = find_option(name);
  return option != nullptr && option->types == every;
}

OptimizerOptions read_options(const Settings& settings, std::string_view where) {
  OptimizerOptions options;
  std::vector<std::string> mistakes;
  const std::string begin = std::string(where) + ": ";
  for (const Setting& setting : settings) {
    const Option* option = find_option(setting.name);
    if (option == nullptr) {
      mistakes.push_back(begin + unknown_option(setting.name));
    } else if (const auto wanted = option->set(options, setting.value)) {
      mistakes.push_back(begin + setting.name + " is " + text_of(setting.value) + ", but must be " +
                         *wanted);
    }
  }
  // The type may stand after what depends on it.
  for (const Setting& setting : settings) {
    const Option* option = find_option(setting.name);
    if (option == nullptr || (option->types & family(options.type)) != 0) continue;
    mistakes.push_back(begin + std::string(to_string(options.type)) + " has no option '" +
                       setting.name + "'; it has " + joined(option_names(options.type), ", "));
  }
  const auto ranges = range_mistakes(options, where);
  mistakes.insert(mistakes.end(), ranges.begin(), ranges.end());
  fail_if_any(mistakes);
  return options;
}

void validate(const OptimizerOptions& options, std::string_view where) {
  fail_if_any(range_mistakes(options, where));
}

}  // namespace fg::optim
