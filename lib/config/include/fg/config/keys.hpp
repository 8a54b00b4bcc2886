#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fg/config/configuration.hpp>
#include <fg/config/yaml.hpp>

namespace fg::config {

enum class Kind { boolean, integer, number, text, path, choice, duration, sources, integers };

/// What a number must be, beside being one.
struct Range {
  std::optional<double> least;
  std::optional<double> above;
  std::optional<double> most;
};

/// Whether a key is an option of the optimizer, kept as written for lib/optim.
enum class OptimizerOption { no, common, of_a_type };

/// One key of a configuration file: the one place that its checks, its help, the schema and the
/// documentation's tables come from. Its default is what `write` makes of a Configuration{}.
struct Key {
  std::string path;  // "train.seq_len"
  Kind kind;
  std::string help;
  std::string unset;                           // what it means not to be set
  std::vector<std::string> choices;            // kind choice; kind path: words that are no paths
  std::map<std::string, std::string> aliases;  // other spellings of choices
  Range range;
  bool host_local = false;  // may differ between the ranks of a run
  OptimizerOption option = OptimizerOption::no;

  /// Puts a value into its field; gives what was wanted where it does not fit.
  std::function<std::optional<std::string>(Configuration&, const Node&)> read;
  /// The field's value; kind null where there is none.
  std::function<Node(const Configuration&)> write;
};

/// All keys but those of optimizer_groups, in the order of the sections.
std::span<const Key> keys();
const Key* find_key(std::string_view path);

/// The options that a group may set: the optimizer's.
std::vector<std::string> optimizer_option_names();

inline constexpr std::string_view groups_section = "optimizer_groups";
inline constexpr std::string_view regex_help =
    "the group takes each parameter in whose name this regular expression is found, if no group "
    "above took it";

}  // namespace fg::config
