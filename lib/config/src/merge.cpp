#include "merge.hpp"

#include <algorithm>
#include <array>

#include <fg/base/failpoint.hpp>
#include <fg/base/nearest.hpp>
#include <fg/config/keys.hpp>

namespace fg::config {
namespace {

struct Pair {
  std::string section, first, second;
};

const std::array<Pair, 2>& exclusive_pairs() {
  static const std::array<Pair, 2> pairs = {
      {{"train", "global_batch_size", "batch_size"}, {"lr_schedule", "min_lr", "min_lr_ratio"}}};
  return pairs;
}

/// The keys that may stand directly below `prefix` ("" or "train.").
std::vector<std::string> known_below(const std::string& prefix) {
  std::vector<std::string> known;
  for (const Key& key : keys()) {
    if (!key.path.starts_with(prefix)) continue;
    const std::size_t begin = prefix.size();
    std::string part = key.path.substr(begin, key.path.find('.', begin) - begin);
    if (std::find(known.begin(), known.end(), part) == known.end())
      known.push_back(std::move(part));
  }
  if (prefix.empty()) known.insert(known.end(), {std::string(groups_section), "extends"});
  return known;
}

/// "; did you mean 'x'?", or where else a key of this name stands.
std::string hint(const std::string& word, const std::vector<std::string>& known) {
  const std::string near = did_you_mean(word, known);
  if (!near.empty()) return near;
  for (const Key& key : keys())
    if (key.path.ends_with("." + word)) return "; did you mean '" + key.path + "'?";
  return {};
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) text += (i > 0 ? ", " : "") + words[i];
  return text;
}

bool is_group_name(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '_' || letter == '-';
  });
}

class KeyChecker {
public:
  KeyChecker(const std::vector<Source>& sources, Mistakes& mistakes)
      : sources_(sources), mistakes_(mistakes) {}

  /// Leaves only known keys in a section.
  void check_section(Node& section, const std::string& prefix) {
    const std::vector<std::string> known = known_below(prefix);
    std::erase_if(section.members, [&](Member& member) {
      const std::string path = prefix + member.key;
      if (prefix.empty() && member.key == groups_section) return !check_groups(member.value);
      if (std::find(known.begin(), known.end(), member.key) == known.end() || path == "extends") {
        mistakes_.add(place(member), "unknown key '" + path + "'" + hint(member.key, known));
        return true;
      }
      if (find_key(path) != nullptr || member.value.kind == Node::Kind::null) return false;
      return !check_map(member.value, path, known_below(path + "."),
                        [&] { check_section(member.value, path + "."); });
    });
  }

private:
  std::string place(const Member& member) const {
    Node at = member.value;
    at.line = member.line;
    return place_of(sources_, at);
  }

  template <class Then>
  bool check_map(const Node& node, const std::string& path, const std::vector<std::string>& known,
                 const Then& then) {
    if (node.kind != Node::Kind::map) {
      mistakes_.add(place_of(sources_, node), "'" + path + "' must hold keys: " + listed(known));
      return false;
    }
    then();
    return true;
  }

  bool check_groups(Node& groups) {
    if (groups.kind == Node::Kind::null) return true;
    return check_map(groups, std::string(groups_section), {"a name for each group"}, [&] {
      std::erase_if(groups.members, [&](Member& group) { return !check_group(group); });
    });
  }

  bool check_group(Member& group) {
    const std::string path = std::string(groups_section) + "." + group.key;
    if (!is_group_name(group.key)) {
      mistakes_.add(place(group),
                    "a group's name has letters, digits, _ and - only, not '" + group.key + "'");
      return false;
    }
    if (group.value.kind == Node::Kind::null) return true;
    std::vector<std::string> known = optimizer_option_names();
    known.insert(known.begin(), "regex");
    return check_map(group.value, path, known, [&] {
      std::erase_if(group.value.members, [&](const Member& member) {
        if (std::find(known.begin(), known.end(), member.key) != known.end()) return false;
        mistakes_.add(place(member), "unknown key '" + path + "." + member.key + "'" +
                                         did_you_mean(member.key, known));
        return true;
      });
    });
  }

  const std::vector<Source>& sources_;
  Mistakes& mistakes_;
};

bool is_set(const Node* node) {
  return node != nullptr && node->kind != Node::Kind::null;
}

void remove(Node& map, const std::string& key) {
  std::erase_if(map.members, [&](const Member& member) { return member.key == key; });
}

/// What a nearer level's keys remove of the inherited ones, beside themselves.
void remove_contradicted(Node& below, const Node& above, const std::vector<Source>& sources,
                         Mistakes& mistakes) {
  for (const Pair& pair : exclusive_pairs()) {
    const Node* near = above.find(pair.section);
    if (near == nullptr) continue;
    const Node* first = near->find(pair.first);
    const Node* second = near->find(pair.second);
    if (is_set(first) && is_set(second))
      mistakes.add(place_of(sources, *second), pair.section + "." + pair.first + " and " +
                                                   pair.section + "." + pair.second +
                                                   " exclude each other: set one");
    Node* far = below.find(pair.section);
    if (far == nullptr || fault_planted("config.other_batch_key_stays")) continue;
    if (is_set(first)) remove(*far, pair.second);
    if (is_set(second)) remove(*far, pair.first);
  }
  const Node* near = above.find("optimizer");
  Node* far = below.find("optimizer");
  if (near == nullptr || far == nullptr) return;
  const Node* type = near->find("type");
  const Node* inherited = far->find("type");
  const std::string old = is_set(inherited) ? inherited->scalar : find_key("optimizer.type")->unset;
  if (!is_set(type) || type->scalar == old) return;
  for (const Key& key : keys())
    if (key.option == OptimizerOption::of_a_type)
      remove(*far, key.path.substr(std::string_view("optimizer.").size()));
}

void lay_over(Node& below, const Node& above) {
  if (above.kind != Node::Kind::map) {
    below = above;
    return;
  }
  if (below.kind != Node::Kind::map) {
    below = Node{.kind = Node::Kind::map};
    below.line = above.line;
    below.source = above.source;
  }
  for (const Member& member : above.members) {
    if (member.value.kind == Node::Kind::null) {
      if (!fault_planted("config.null_does_not_remove")) remove(below, member.key);
      continue;
    }
    Node* found = below.find(member.key);
    if (found == nullptr) {
      below.members.push_back({.key = member.key, .line = member.line, .value = {}});
      found = &below.members.back().value;
    }
    lay_over(*found, member.value);
  }
}

/// null for a group that nothing inherits is a slip of the pen.
void check_removed_groups(const Node& below, const Node& above, const std::vector<Source>& sources,
                          Mistakes& mistakes) {
  const Node* near = above.find(groups_section);
  if (near == nullptr) return;
  const Node* far = below.find(groups_section);
  for (const Member& group : near->members) {
    if (group.value.kind != Node::Kind::null) continue;
    if (far != nullptr && far->find(group.key) != nullptr) continue;
    std::vector<std::string> names;
    if (far != nullptr)
      for (const Member& other : far->members) names.push_back(other.key);
    mistakes.add(place_of(sources, group.value), std::string(groups_section) + "." + group.key +
                                                     " is null, but no such group is inherited" +
                                                     did_you_mean(group.key, names));
  }
}

}  // namespace

Node merge(Layers& layers, Mistakes& mistakes) {
  Node merged{.kind = Node::Kind::map};
  KeyChecker checker(layers.sources, mistakes);
  for (Node& layer : layers.roots) {
    checker.check_section(layer, "");
    check_removed_groups(merged, layer, layers.sources, mistakes);
    remove_contradicted(merged, layer, layers.sources, mistakes);
    lay_over(merged, layer);
  }
  return merged;
}

}  // namespace fg::config
