#include <algorithm>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/nearest.hpp>
#include <fg/optim/groups.hpp>
#include <fg/optim/optimizer.hpp>

#include "name_pattern.hpp"

namespace fg::optim {
namespace {

std::string where_of(const Group& group) {
  return "optimizer_groups." + group.name;
}

void put(Settings& settings, const Setting& setting) {
  const auto old = std::find_if(settings.begin(), settings.end(),
                                [&](const Setting& s) { return s.name == setting.name; });
  if (old == settings.end()) {
    settings.push_back(setting);
  } else {
    old->value = setting.value;
  }
}

const Setting* find(const Settings& settings, std::string_view name) {
  for (const Setting& setting : settings)
    if (setting.name == name) return &setting;
  return nullptr;
}

Settings overlay(const Settings& optimizer, const Settings& overrides) {
  const Setting* old_type = find(optimizer, "type");
  const Setting* new_type = find(overrides, "type");
  const OptionValue default_type = std::string(to_string(OptimizerOptions{}.type));
  const bool changes_type =
      new_type != nullptr && new_type->value != (old_type ? old_type->value : default_type);
  Settings result;
  for (const Setting& setting : optimizer)
    if (!changes_type || is_common_option(setting.name)) put(result, setting);
  for (const Setting& setting : overrides) put(result, setting);
  return result;
}

/// The names and their parts between dots: what a regex may have meant.
std::vector<std::string> words_of(std::span<const Parameter> model) {
  std::vector<std::string> words;
  for (const Parameter& parameter : model) {
    words.push_back(parameter.name);
    for (std::size_t begin = 0; begin < parameter.name.size();) {
      const std::size_t end = std::min(parameter.name.find('.', begin), parameter.name.size());
      words.push_back(parameter.name.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

struct ReadyGroup {
  const Group* group;
  NamePattern pattern;
  OptimizerOptions options;
  bool found = false;
  bool took = false;
};

class Mistakes {
public:
  template <typename Work>
  void collect(const Work& work) {
    try {
      work();
    } catch (const Error& error) {
      if (error.code() != ExitCode::usage) throw;
      add(error.what());
    }
  }
  void add(const std::string& text) { text_ += (text_.empty() ? "" : "\n") + text; }
  void fail_if_any() const {
    if (!text_.empty()) fail(ExitCode::usage, text_);
  }

private:
  std::string text_;
};

std::vector<ReadyGroup> ready_groups(const Settings& optimizer, std::span<const Group> groups,
                                     Mistakes& mistakes) {
  std::vector<ReadyGroup> ready;
  for (const Group& group : groups) {
    FG_CHECK(!group.removed);
    mistakes.collect([&] {
      if (group.regex.empty())
        fail(ExitCode::usage, where_of(group) + ": no regex says which parameters it takes");
      NamePattern pattern(group.regex, where_of(group));
      ready.push_back({&group, std::move(pattern),
                       read_options(overlay(optimizer, group.overrides), where_of(group))});
    });
  }
  if (fault_planted("optim.last_group_wins")) std::reverse(ready.begin(), ready.end());
  return ready;
}

Assignment assign(const Parameter& parameter, const OptimizerOptions& defaults,
                  std::vector<ReadyGroup>& groups) {
  ReadyGroup* taker = nullptr;
  for (ReadyGroup& group : groups) {
    if (!group.pattern.found_in(parameter.name)) continue;
    group.found = true;
    if (taker == nullptr) taker = &group;
  }
  if (taker == nullptr) return {parameter, "default", defaults};
  taker->took = true;
  return {parameter, taker->group->name, taker->options};
}

}  // namespace

std::vector<Group> inherit_groups(std::vector<Group> inherited, std::span<const Group> nearer) {
  for (const Group& group : nearer) {
    const auto old = std::find_if(inherited.begin(), inherited.end(),
                                  [&](const Group& g) { return g.name == group.name; });
    if (old == inherited.end()) {
      std::vector<std::string> names;
      for (const Group& known : inherited) names.push_back(known.name);
      if (group.removed)
        fail(ExitCode::usage, where_of(group) +
                                  ": null removes an inherited group, but there is none "
                                  "of this name" +
                                  did_you_mean(group.name, names));
      inherited.push_back(group);
    } else if (group.removed) {
      inherited.erase(old);
    } else {
      if (!group.regex.empty()) old->regex = group.regex;
      for (const Setting& setting : group.overrides) put(old->overrides, setting);
    }
  }
  return inherited;
}

Assignments assign_groups(const Settings& optimizer, std::span<const Group> groups,
                          std::span<const Parameter> model) {
  Mistakes mistakes;
  OptimizerOptions defaults;
  mistakes.collect([&] { defaults = read_options(optimizer, "optimizer"); });
  mistakes.fail_if_any();  // every group would only repeat them
  std::vector<ReadyGroup> ready = ready_groups(optimizer, groups, mistakes);

  Assignments result;
  mistakes.collect([&] {
    for (const Parameter& parameter : model)
      result.of_parameters.push_back(assign(parameter, defaults, ready));
    for (const ReadyGroup& group : ready) {
      if (group.found) continue;
      mistakes.add(where_of(*group.group) + ": the regex '" + group.group->regex +
                   "' is found in none of the model's " + std::to_string(model.size()) +
                   " parameter names" + did_you_mean(group.group->regex, words_of(model)));
    }
  });
  mistakes.fail_if_any();
  for (const ReadyGroup& group : ready)
    if (!group.took) result.shadowed.push_back(group.group->name);
  return result;
}

}  // namespace fg::optim
