#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fg::config {

struct Member;

/// One value of a YAML file with the place it stands at (lines and columns from 1).
struct Node {
  enum class Kind { null, scalar, list, map };

  Kind kind = Kind::null;
  std::string scalar = {};  // kind scalar: the text, quotes removed
  bool quoted = false;      // "true" in quotes is a string
  std::vector<Node> items = {};
  std::vector<Member> members;  // kind map, in the file's order
  int line = 0;
  int column = 0;
  std::size_t source = 0;  // which file it stands in, where several are merged

  const Node* find(std::string_view key) const;
  Node* find(std::string_view key);
};

struct Member {
  std::string key;
  int line = 0;
  Node value;
};

/// Parses one YAML document into values with places. Duplicate keys, several documents, anchors and
/// aliases, tags, and nesting over 64 levels are refused: Error(usage) with file and line.
Node parse_yaml(std::string_view text, const std::string& name);

/// The same, but duplicate keys are added to `mistakes` and do not end the parse.
Node parse_yaml(std::string_view text, const std::string& name, class Mistakes& mistakes);

/// The text of a configuration file of at most 1 MiB. Error(usage).
std::string read_yaml_text(const std::filesystem::path& path);

/// parse_yaml(read_yaml_text(path), path).
Node read_yaml(const std::filesystem::path& path);

/// Collects mistakes, so that the user sees all of them at once.
class Mistakes {
public:
  /// `name`: the file whose lines are meant.
  explicit Mistakes(std::string name) : name_(std::move(name)) {}

  void add(int line, const std::string& what);
  /// A mistake at any other place, such as "--lr" or "other.yaml:3".
  void add(const std::string& place, const std::string& what);
  /// Adds "unknown key …; did you mean …" for each member of `map` that is not in `known`.
  void add_unknown_keys(const Node& map, const std::vector<std::string>& known);
  /// A mistake that names its place itself.
  void add_line(const std::string& line) { lines_.push_back(line); }
  void add_all(const Mistakes& others);
  bool any() const noexcept { return !lines_.empty(); }
  /// Throws Error(usage) with one line a mistake, if there are any.
  void throw_if_any() const;

private:
  std::string name_;
  std::vector<std::string> lines_;
};

}  // namespace fg::config
