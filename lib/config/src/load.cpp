#include <algorithm>

#include <fg/base/failpoint.hpp>
#include <fg/config/keys.hpp>

#include "layers.hpp"
#include "merge.hpp"
#include "references.hpp"
#include "values.hpp"

namespace fg::config {
namespace {

const Node* find_path(const Node& root, const std::string& path) {
  const Node* node = &root;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    node = node->find(path.substr(begin, end - begin));
    if (node == nullptr) return nullptr;
    begin = end + 1;
  }
  return node->kind == Node::Kind::null ? nullptr : node;
}

std::string shown(const Node& node) {
  if (node.kind == Node::Kind::list) return "a list";
  if (node.kind == Node::Kind::map) return "a map";
  return "'" + node.scalar + "'";
}

/// Builds the typed structure out of the merged tree.
class Reader {
public:
  Reader(const Node& merged, const std::vector<Source>& sources, Mistakes& mistakes)
      : merged_(merged), sources_(sources), mistakes_(mistakes) {}

  Loaded read() {
    for (const Key& key : keys()) {
      const Node* node = find_path(merged_, key.path);
      if (node != nullptr) read_key(key, key.path, *node, loaded_.configuration);
      origins_.push_back(node != nullptr ? place_of(sources_, *node) : "default");
    }
    if (loaded_.configuration.train.batch_size)
      loaded_.configuration.train.global_batch_size.reset();
    read_groups();
    if (!mistakes_.any()) check_together();
    list_values();
    return std::move(loaded_);
  }

private:
  void read_key(const Key& key, const std::string& path, Node node, Configuration& into) {
    const auto alias = key.aliases.find(node.scalar);
    if (alias != key.aliases.end()) node.scalar = alias->second;
    Wanted wanted = key.read(into, node);
    if (!wanted) wanted = outside(key.range, node);
    if (wanted)
      mistakes_.add(place_of(sources_, node),
                    path + " is " + shown(node) + ", but must be " + *wanted);
  }

  void read_groups() {
    const Node* groups = merged_.find(groups_section);
    if (groups == nullptr) return;
    for (const Member& member : groups->members) {
      OptimizerGroup group{.name = member.key, .regex = {}, .settings = {}};
      const std::string path = std::string(groups_section) + "." + member.key;
      const Node* regex = member.value.find("regex");
      if (regex == nullptr || read_value(*regex, group.regex) || group.regex.empty())
        mistakes_.add(place_of(sources_, member.value),
                      path + " needs a regex, such as 'norm|bias'");
      // The readers of options write to optimizer.settings.
      Configuration own;
      for (const Member& option : member.value.members)
        if (const Key* key = find_key("optimizer." + option.key); key != nullptr)
          read_key(*key, path + "." + option.key, option.value, own);
      group.settings = std::move(own.optimizer.settings);
      loaded_.configuration.optimizer_groups.push_back(std::move(group));
    }
  }

  std::string origin_of(const std::string& path) const {
    for (std::size_t i = 0; i < keys().size(); ++i)
      if (keys()[i].path == path) return origins_[i];
    return "default";
  }

  void must_divide(const std::string& whole_name, std::int64_t whole) {
    const std::int64_t part = loaded_.configuration.train.microbatch_size;
    if (whole % part == 0) return;
    mistakes_.add(origin_of(whole_name), whole_name + " " + std::to_string(whole) +
                                             " cannot be divided by train.microbatch_size " +
                                             std::to_string(part) + " (" +
                                             origin_of("train.microbatch_size") + ")");
  }

  /// What no single key can tell.
  void check_together() {
    const Configuration& all = loaded_.configuration;
    if (all.train.batch_size) must_divide("train.batch_size", *all.train.batch_size);
    if (all.train.global_batch_size)
      must_divide("train.global_batch_size", *all.train.global_batch_size);
    if (all.eval.every && all.data.eval_path.empty() && all.data.eval_split.empty())
      mistakes_.add(origin_of("eval.every"),
                    "eval.every is set, but there is nothing to evaluate on: set data.eval_path "
                    "or data.eval_split");
    if (all.eval.early_stop.patience && !all.eval.every)
      mistakes_.add(origin_of("eval.early_stop.patience"),
                    "eval.early_stop.patience needs eval.every");
  }

  void list_values() {
    std::size_t place = 0;
    for (const Key& key : keys()) {
      // The groups stand after the optimizer.
      if (key.path.starts_with("lr_schedule.") && place > 0 &&
          !keys()[place - 1].path.starts_with("lr_schedule."))
        list_groups();
      loaded_.values.push_back(
          {.key = key.path, .node = key.write(loaded_.configuration), .origin = origins_[place++]});
    }
  }

  void list_groups() {
    for (const OptimizerGroup& group : loaded_.configuration.optimizer_groups) {
      const std::string path = std::string(groups_section) + "." + group.name + ".";
      const auto add = [&](const std::string& name, Node node) {
        const Node* at = find_path(merged_, path + name);
        loaded_.values.push_back({.key = path + name,
                                  .node = std::move(node),
                                  .origin = at != nullptr ? place_of(sources_, *at) : "default"});
      };
      add("regex", write_value(group.regex));
      for (const Setting& setting : group.settings) add(setting.name, write_value(setting.value));
    }
  }

  const Node& merged_;
  const std::vector<Source>& sources_;
  Mistakes& mistakes_;
  Loaded loaded_;
  std::vector<std::string> origins_;  // in the order of keys()
};

}  // namespace

Loaded load(const std::filesystem::path& file, std::span<const Override> overrides,
            const std::filesystem::path& working_folder, const Environment& environment) {
  Mistakes mistakes(file.string());
  Layers layers = read_layers(file, mistakes);
  add_overrides(layers, overrides, working_folder, mistakes);
  if (fault_planted("config.references_before_merge"))
    for (Node& layer : layers.roots)
      resolve_references(layer, layers.sources, environment, mistakes);
  Node merged = merge(layers, mistakes);
  resolve_references(merged, layers.sources, environment, mistakes);
  Loaded loaded = Reader(merged, layers.sources, mistakes).read();
  mistakes.throw_if_any();
  loaded.files = std::move(layers.files);
  return loaded;
}

}  // namespace fg::config
