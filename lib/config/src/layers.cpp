#include "layers.hpp"

#include <algorithm>

#include <fg/base/error.hpp>

namespace fg::config {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_files = 64;

void mark_source(Node& node, std::size_t source) {
  node.source = source;
  for (Node& item : node.items) mark_source(item, source);
  for (Member& member : node.members) mark_source(member.value, source);
}

fs::path same_file(const fs::path& path) {
  std::error_code ignored;
  const fs::path canonical = fs::weakly_canonical(path, ignored);
  return canonical.empty() ? path : canonical;
}

/// Follows `extends` depth first, so that what is extended stands before what extends it. A file
/// that several extend counts once, where it is first met.
class Reader {
public:
  Reader(Layers& layers, Mistakes& mistakes) : layers_(layers), mistakes_(mistakes) {}

  /// The file's place in the chain; nothing where it could not be read.
  std::optional<std::size_t> add(const fs::path& path, const std::string& named_at) {
    const fs::path identity = same_file(path);
    for (std::size_t i = 0; i < layers_.files.size(); ++i)
      if (same_file(layers_.files[i].path) == identity) return i;
    if (std::find(open_.begin(), open_.end(), identity) != open_.end()) {
      mistakes_.add(named_at, "extends itself through " + path.string());
      return std::nullopt;
    }
    if (open_.size() + layers_.files.size() >= most_files) {
      mistakes_.add(named_at, "more than 64 files are extended");
      return std::nullopt;
    }
    Node root;
    try {
      root = parse_file(path);
    } catch (const Error& error) {
      const std::string what = error.what();
      if (named_at.empty())
        mistakes_.add_line(what);
      else
        mistakes_.add(named_at, "extends: " + what);
      return std::nullopt;
    }
    open_.push_back(identity);
    ChainFile file{.path = path, .extends = extended(root, path)};
    open_.pop_back();
    std::erase_if(root.members, [](const Member& member) { return member.key == "extends"; });
    mark_source(root, layers_.sources.size());
    layers_.sources.push_back(
        {.name = path.string(), .folder = fs::absolute(path).parent_path(), .is_file = true});
    layers_.roots.push_back(std::move(root));
    layers_.files.push_back(std::move(file));
    return layers_.files.size() - 1;
  }

private:
  Node parse_file(const fs::path& path) {
    const std::string text = read_yaml_text(path);
    Mistakes duplicates(path.string());
    Node root = parse_yaml(text, path.string(), duplicates);
    mistakes_.add_all(duplicates);
    if (root.kind == Node::Kind::null) root.kind = Node::Kind::map;
    if (root.kind != Node::Kind::map)
      fail(ExitCode::usage, path.string() + ":" + std::to_string(root.line) +
                                ": expected sections such as model, data, train");
    return root;
  }

  std::vector<std::size_t> extended(const Node& root, const fs::path& path) {
    std::vector<std::size_t> places;
    const Node* extends = root.find("extends");
    if (extends == nullptr || extends->kind == Node::Kind::null) return places;
    const bool is_list = extends->kind == Node::Kind::list;
    const std::vector<Node> one = {*extends};
    for (const Node& item : is_list ? extends->items : one) {
      const std::string at = path.string() + ":" + std::to_string(item.line);
      if (item.kind != Node::Kind::scalar) {
        mistakes_.add(at, "extends must be a file or a list of files");
        continue;
      }
      const fs::path wanted = (path.parent_path() / item.scalar).lexically_normal();
      if (const auto place = add(wanted, at)) places.push_back(*place);
    }
    return places;
  }

  Layers& layers_;
  Mistakes& mistakes_;
  std::vector<fs::path> open_;
};

/// The key's parts; nothing where one is empty.
std::vector<std::string> parts_of(const std::string& key) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('.', begin), key.size());
    parts.push_back(key.substr(begin, end - begin));
    if (parts.back().empty() || parts.size() > 8) return {};
    begin = end + 1;
  }
  return parts;
}

/// A text as it stands, safe from being taken for a reference.
Node text_node(const std::string& text) {
  Node node{.kind = Node::Kind::scalar, .quoted = true};
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "${") == 0) node.scalar += '$';
    node.scalar += text[i];
  }
  return node;
}

/// The member of that name, made where there is none.
Node& member_of(Node& map, const std::string& key) {
  if (map.kind != Node::Kind::map) {
    const std::size_t source = map.source;
    map = Node{.kind = Node::Kind::map};
    map.source = source;
  }
  if (Node* found = map.find(key)) return *found;
  return map.members.emplace_back(Member{.key = key, .line = 0, .value = {}}).value;
}

}  // namespace

Layers read_layers(const fs::path& file, Mistakes& mistakes) {
  Layers layers;
  if (!file.empty()) Reader(layers, mistakes).add(file, "");
  return layers;
}

void add_overrides(Layers& layers, std::span<const Override> overrides, const fs::path& folder,
                   Mistakes& mistakes) {
  if (overrides.empty()) return;
  Node root{.kind = Node::Kind::map};
  root.source = layers.sources.size();
  for (const Override& given : overrides) {
    const std::vector<std::string> parts = parts_of(given.key);
    if (parts.empty()) {
      mistakes.add(given.origin, "'" + given.key + "' is no key such as train.max_steps");
      continue;
    }
    Node value;
    try {
      value = given.is_text ? text_node(given.value) : parse_yaml(given.value, given.origin);
    } catch (const Error& error) {
      mistakes.add_line(error.what());
      continue;
    }
    mark_source(value, layers.sources.size());
    Node* place = &root;
    for (const std::string& part : parts) {
      place = &member_of(*place, part);
      place->source = layers.sources.size();
    }
    *place = std::move(value);
    layers.sources.push_back({.name = given.origin, .folder = folder, .is_file = false});
  }
  layers.roots.push_back(std::move(root));
}

std::string place_of(const std::vector<Source>& sources, const Node& node) {
  if (node.source >= sources.size()) return "command line";
  const Source& source = sources[node.source];
  return source.is_file ? source.name + ":" + std::to_string(node.line) : source.name;
}

Override parse_set(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    fail(ExitCode::usage, "--set " + text + ": expected KEY=VALUE, such as train.max_steps=10");
  return {.key = text.substr(0, equals),
          .value = text.substr(equals + 1),
          .origin = "--set " + text.substr(0, equals)};
}

}  // namespace fg::config
