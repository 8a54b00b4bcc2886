#include "references.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>

#include <fg/base/nearest.hpp>
#include <fg/base/utf8.hpp>
#include <fg/config/keys.hpp>

namespace fg::config {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t longest_text = 1 << 16;

class Resolver {
public:
  Resolver(Node& root, const std::vector<Source>& sources, const Environment& environment,
           Mistakes& mistakes)
      : root_(root), sources_(sources), environment_(environment), mistakes_(mistakes) {}

  void walk(Node& node, const std::string& path) {
    for (Member& member : node.members)
      walk(member.value, path.empty() ? member.key : path + "." + member.key);
    // A list's items are values of its own key.
    for (Node& item : node.items) walk(item, path);
    if (node.kind == Node::Kind::scalar) resolve(node, path);
  }

private:
  /// Each scalar once: substitution, then its path made absolute.
  void resolve(Node& node, const std::string& path) {
    if (done_.contains(&node)) return;
    if (!open_.insert(&node).second) {
      mistakes_.add(place_of(sources_, node), path + " refers to itself: " + node.scalar);
      return;
    }
    substitute(node);
    make_absolute(node, path);
    open_.erase(&node);
    done_.insert(&node);
  }

  void substitute(Node& node) {
    const std::string text = node.scalar;
    std::string result;
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t dollar = std::min(text.find('$', at), text.size());
      result += text.substr(at, dollar - at);
      at = dollar;
      if (text.compare(at, 3, "$${") == 0) {
        result += "${";
        at += 3;
      } else if (text.compare(at, 2, "${") == 0) {
        const std::size_t end = text.find('}', at);
        if (end == std::string::npos) {
          mistakes_.add(place_of(sources_, node), "'" + text + "' lacks the '}' of its reference");
          return;
        }
        const bool is_whole = at == 0 && end + 1 == text.size();
        result += value_of(text.substr(at + 2, end - at - 2), node, is_whole);
        at = end + 1;
      } else if (at < text.size()) {
        result += text[at++];
      }
      if (result.size() > longest_text) {
        mistakes_.add(place_of(sources_, node), "references make this longer than 64 KiB");
        return;
      }
    }
    node.scalar = std::move(result);
  }

  std::string value_of(const std::string& name, Node& user, bool is_whole) {
    if (name.starts_with("env:")) return variable(name.substr(4), user);
    if (Node* found = find(name)) return referred(*found, name, user, is_whole);
    if (const Key* key = find_key(name)) {
      const Node standard = key->write(Configuration{});
      if (standard.kind == Node::Kind::scalar) {
        if (is_whole) user.quoted = standard.quoted;
        return standard.scalar;
      }
      mistakes_.add(place_of(sources_, user), "${" + name + "} is not set");
      return {};
    }
    std::vector<std::string> known;
    for (const Key& key : keys()) known.push_back(key.path);
    mistakes_.add(place_of(sources_, user), "${" + name + "} names no key (a variable of the " +
                                                "environment is ${env:NAME})" +
                                                did_you_mean(name, known));
    return {};
  }

  std::string referred(Node& found, const std::string& name, Node& user, bool is_whole) {
    if (found.kind != Node::Kind::scalar) {
      mistakes_.add(place_of(sources_, user), "${" + name + "} is no single value");
      return {};
    }
    resolve(found, name);
    if (is_whole) user.quoted = found.quoted;
    return found.scalar;
  }

  std::string variable(const std::string& words, const Node& user) {
    const std::size_t mark = words.find(":-");
    const std::string name = words.substr(0, mark);
    const auto value = environment_(name);
    if (value && find_invalid_utf8(*value)) {
      mistakes_.add(place_of(sources_, user), "the variable " + name + " is not valid UTF-8");
      return {};
    }
    if (value && (!value->empty() || mark == std::string::npos)) return *value;
    if (mark != std::string::npos) return words.substr(mark + 2);
    mistakes_.add(place_of(sources_, user), "the variable " + name +
                                                " is not set in the environment; ${env:" + name +
                                                ":-…} gives a value for that case");
    return {};
  }

  Node* find(const std::string& name) {
    Node* node = &root_;
    for (std::size_t begin = 0; begin <= name.size();) {
      const std::size_t end = std::min(name.find('.', begin), name.size());
      node = node->find(name.substr(begin, end - begin));
      if (node == nullptr) return nullptr;
      begin = end + 1;
    }
    return node;
  }

  void make_absolute(Node& node, const std::string& path) {
    const Key* key = find_key(path);
    const bool is_source = path == "data.path.path";
    if (!is_source && (key == nullptr || (key->kind != Kind::path && key->kind != Kind::sources)))
      return;
    if (node.scalar.empty()) return;
    if (key != nullptr &&
        std::find(key->choices.begin(), key->choices.end(), node.scalar) != key->choices.end())
      return;
    fs::path value = node.scalar;
    if (node.scalar == "~" || node.scalar.starts_with("~/")) {
      const auto home = environment_("HOME");
      if (!home) {
        mistakes_.add(place_of(sources_, node), "~ needs the variable HOME");
        return;
      }
      value = fs::path(*home) / node.scalar.substr(std::min<std::size_t>(2, node.scalar.size()));
    }
    const fs::path folder =
        node.source < sources_.size() ? sources_[node.source].folder : fs::current_path();
    value = (folder / value).lexically_normal();
    if (!value.has_filename() && value.has_relative_path()) value = value.parent_path();
    node.scalar = value.string();
  }

  Node& root_;
  const std::vector<Source>& sources_;
  const Environment& environment_;
  Mistakes& mistakes_;
  std::set<const Node*> open_;
  std::set<const Node*> done_;
};

}  // namespace

void resolve_references(Node& merged, const std::vector<Source>& sources,
                        const Environment& environment, Mistakes& mistakes) {
  Resolver(merged, sources, environment, mistakes).walk(merged, "");
}

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

}  // namespace fg::config
