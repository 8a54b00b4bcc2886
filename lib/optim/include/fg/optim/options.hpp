#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace fg::optim {

enum class OptimizerType { adafactor, adamw, adamw8bit, adamw4bit, sgd };

/// What moments are kept in where they are not quantised. `automatic`: float32 for adamw and sgd,
/// the parameter's own type for adamw8bit and adamw4bit (as in torchao).
enum class StateType { automatic, float32, bfloat16 };

/// Everything an optimizer needs to know, defaults included. Which options a type has is told by
/// `option_names`; the formulas are in docs/optimizers.md.
struct OptimizerOptions {
  OptimizerType type = OptimizerType::adamw;
  double lr = 1e-3;
  double weight_decay = 0.01;
  bool stochastic_rounding = true;  // where the target is bfloat16
  StateType state_dtype = StateType::automatic;

  double beta1 = 0.9;    // adamw*
  double beta2 = 0.999;  // adamw*; adafactor: the cap of its own
  double eps = 1e-8;     // adamw*

  double decay_rate = -0.8;     // adafactor: beta2 at update t is min(1 - t^decay_rate, beta2)
  double clip_threshold = 1.0;  // adafactor: largest rms of an update before lr
  double eps_square = 1e-30;    // adafactor: added to each squared gradient
  double eps_scale = 1e-3;      // adafactor with relative_step: least rms of a parameter
  bool relative_step = false;   // adafactor: step size lr * max(eps_scale, rms(parameter))

  double momentum = 0;    // sgd
  bool nesterov = false;  // sgd

  bool operator==(const OptimizerOptions&) const = default;
};

/// One value of a configuration file: true, 3, 0.1, "adafactor".
using OptionValue = std::variant<bool, std::int64_t, double, std::string>;

struct Setting {
  std::string name;
  OptionValue value;

  bool operator==(const Setting&) const = default;
};

/// What was written, in order; a later setting of the same name wins.
using Settings = std::vector<Setting>;

std::string_view to_string(OptimizerType type);

/// The options that an optimizer of this type has, "type" first.
std::vector<std::string> option_names(OptimizerType type);

/// The options that every type has: those that survive a change of type in a group.
bool is_common_option(std::string_view name);

/// Defaults plus settings. Throws Error(usage) that lists every mistake: an option that no
/// optimizer has (naming the nearest), one that this type has not, a value of the wrong kind or out
/// of range. `where` begins each message ("optimizer", "optimizer_groups.no_decay").
OptimizerOptions read_options(const Settings& settings, std::string_view where);

/// Throws Error(usage) naming every option that is out of its range.
void validate(const OptimizerOptions& options, std::string_view where);

}  // namespace fg::optim
