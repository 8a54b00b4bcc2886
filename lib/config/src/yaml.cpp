#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/base/nearest.hpp>
#include <fg/config/yaml.hpp>

namespace fg::config {
namespace {

constexpr std::size_t max_depth = 64;

/// Builds the tree from parser events: yaml-cpp's own tree keeps duplicate keys silently and
/// forgets where keys stand.
class Builder final : public YAML::EventHandler {
public:
  Builder(const std::string& name, Mistakes& mistakes) : name_(name), mistakes_(mistakes) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    place(mark, Node::Kind::null);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "aliases (*name) are not supported; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (wants_key()) return open_key(mark, value);
    Node& node = place(mark, Node::Kind::scalar);
    node.scalar = value;
    node.quoted = tag == "!";
    const bool is_null = !node.quoted && (value == "~" || value == "null" || value.empty());
    if (is_null) node.kind = Node::Kind::null;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::list);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::map);
  }
  void OnMapEnd() override { open_.pop_back(); }

  Node take() { return std::move(root_); }

private:
  struct Open {
    Node* node;
    bool key_given = false;  // maps only: the next event is this key's value
  };

  [[noreturn]] void refuse(const YAML::Mark& mark, const std::string& what) const {
    fail(ExitCode::usage, name_ + ":" + std::to_string(mark.line + 1) + ": " + what);
  }
  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    if (anchor != YAML::NullAnchor) refuse(mark, "anchors (&name) are not supported");
  }
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (!tag.empty() && tag != "?" && tag != "!")
      refuse(mark, "tags (" + tag + ") are not supported");
  }
  bool wants_key() const {
    return !open_.empty() && open_.back().node->kind == Node::Kind::map && !open_.back().key_given;
  }
  void open_key(const YAML::Mark& mark, const std::string& key) {
    Node& map = *open_.back().node;
    for (const Member& member : map.members)
      if (member.key == key && !fault_planted("config.duplicate_key_accepted")) {
        mistakes_.add(mark.line + 1, "key '" + key + "' stands twice (first on line " +
                                         std::to_string(member.line) + ")");
        break;
      }
    map.members.push_back({.key = key, .line = mark.line + 1, .value = {}});
    open_.back().key_given = true;
  }
  Node& place(const YAML::Mark& mark, Node::Kind kind) {
    if (wants_key()) refuse(mark, "a key must be a plain word");
    Node* node = &root_;
    if (!open_.empty() && open_.back().node->kind == Node::Kind::list) {
      node = &open_.back().node->items.emplace_back();
    } else if (!open_.empty()) {
      node = &open_.back().node->members.back().value;
      open_.back().key_given = false;
    }
    node->kind = kind;
    node->line = mark.line + 1;
    node->column = mark.column + 1;
    return *node;
  }
  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            Node::Kind kind) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (open_.size() >= max_depth) refuse(mark, "nested deeper than 64 levels");
    open_.push_back({.node = &place(mark, kind)});
  }

  const std::string& name_;
  Mistakes& mistakes_;
  Node root_;
  std::vector<Open> open_;  // pointers stay valid: only the last child of an open node grows
};

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (const Member& member : members)
    if (member.key == key) return &member.value;
  return nullptr;
}

Node* Node::find(std::string_view key) {
  return const_cast<Node*>(std::as_const(*this).find(key));
}

Node parse_yaml(std::string_view text, const std::string& name, Mistakes& mistakes) {
  Builder builder(name, mistakes);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return {};
    Builder second(name, mistakes);
    if (parser.HandleNextDocument(second))
      fail(ExitCode::usage, name + ": holds more than one YAML document (---)");
  } catch (const YAML::Exception& error) {
    fail(ExitCode::usage, name + ":" + std::to_string(error.mark.line + 1) + ": " + error.msg);
  }
  return builder.take();
}

Node parse_yaml(std::string_view text, const std::string& name) {
  Mistakes mistakes(name);
  Node root = parse_yaml(text, name, mistakes);
  mistakes.throw_if_any();
  return root;
}

std::string read_yaml_text(const std::filesystem::path& path) {
  try {
    return read_text(path, 1 << 20);
  } catch (const Error& error) {
    fail(ExitCode::usage, error.what());
  }
}

Node read_yaml(const std::filesystem::path& path) {
  return parse_yaml(read_yaml_text(path), path.string());
}

void Mistakes::add(int line, const std::string& what) {
  add(name_ + ":" + std::to_string(line), what);
}

void Mistakes::add(const std::string& place, const std::string& what) {
  lines_.push_back(place + ": " + what);
}

void Mistakes::add_all(const Mistakes& others) {
  lines_.insert(lines_.end(), others.lines_.begin(), others.lines_.end());
}

void Mistakes::add_unknown_keys(const Node& map, const std::vector<std::string>& known) {
  for (const Member& member : map.members) {
    bool is_known = false;
    for (const std::string& key : known) is_known = is_known || key == member.key;
    if (!is_known)
      add(member.line, "unknown key '" + member.key + "'" + did_you_mean(member.key, known));
  }
}

void Mistakes::throw_if_any() const {
  if (lines_.empty()) return;
  std::string all = lines_.front();
  for (std::size_t i = 1; i < lines_.size(); ++i) all += "\n" + lines_[i];
  fail(ExitCode::usage, all);
}

}  // namespace fg::config
