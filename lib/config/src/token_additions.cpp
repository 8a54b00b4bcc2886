#include <fg/base/error.hpp>
#include <fg/config/token_additions.hpp>
#include <fg/config/yaml.hpp>

namespace fg::config {
namespace {

using arch::RoleRule;

/// A token's text, or nothing with the mistake noted.
std::string token_text(const Node& node, const std::string& what, Mistakes& mistakes) {
  if (node.kind == Node::Kind::scalar) return node.scalar;
  mistakes.add(node.line, what + " must be a token in quotes");
  return {};
}

bool truth(const Node& node, const std::string& what, Mistakes& mistakes) {
  if (node.kind == Node::Kind::scalar && !node.quoted) {
    if (node.scalar == "true" || node.scalar == "yes") return true;
    if (node.scalar == "false" || node.scalar == "no") return false;
  }
  mistakes.add(node.line, what + " must be true or false");
  return false;
}

RoleRule role_rule(const Node& node, const std::string& role, Mistakes& mistakes) {
  RoleRule rule;
  if (node.kind != Node::Kind::map) {
    rule.token = token_text(node, role, mistakes);
    return rule;
  }
  mistakes.add_unknown_keys(node, {"token", "init", "if_missing"});
  if (const Node* token = node.find("token"))
    rule.token = token_text(*token, role + ".token", mistakes);
  else
    mistakes.add(node.line, role + " needs the key 'token'");
  if (const Node* init = node.find("init")) {
    rule.init = arch::parse_row_init(init->scalar);
    if (!rule.init)
      mistakes.add(init->line, role + ".init is '" + init->scalar +
                                   "'; expected mean, zero, copy:ID or copy:TOKEN");
  }
  if (const Node* if_missing = node.find("if_missing"))
    rule.if_missing = truth(*if_missing, role + ".if_missing", mistakes);
  return rule;
}

std::vector<std::string> token_list(const Node& node, const std::string& key, Mistakes& mistakes) {
  std::vector<std::string> tokens;
  if (node.kind == Node::Kind::null) return tokens;
  if (node.kind != Node::Kind::list) {
    mistakes.add(node.line, key + " must be a list of tokens");
    return tokens;
  }
  for (const Node& item : node.items)
    tokens.push_back(token_text(item, "a token of " + key, mistakes));
  return tokens;
}

}  // namespace

arch::TokenAdditions parse_token_additions(std::string_view yaml, const std::string& name) {
  const Node root = parse_yaml(yaml, name);
  arch::TokenAdditions additions;
  if (root.kind == Node::Kind::null) return additions;
  if (root.kind != Node::Kind::map)
    fail(ExitCode::usage, name + ":" + std::to_string(root.line) +
                              ": expected keys such as eos_token, special_tokens, pad_token");

  Mistakes mistakes(name);
  mistakes.add_unknown_keys(root, {"bos_token", "eos_token", "pad_token", "unk_token",
                                   "special_tokens", "regular_tokens"});
  const auto read_role = [&](const char* key, std::optional<RoleRule>& rule) {
    const Node* node = root.find(key);
    if (node != nullptr && node->kind != Node::Kind::null) rule = role_rule(*node, key, mistakes);
  };
  read_role("bos_token", additions.bos_token);
  read_role("eos_token", additions.eos_token);
  read_role("pad_token", additions.pad_token);
  read_role("unk_token", additions.unk_token);
  if (const Node* list = root.find("special_tokens"))
    additions.special_tokens = token_list(*list, "special_tokens", mistakes);
  if (const Node* list = root.find("regular_tokens"))
    additions.regular_tokens = token_list(*list, "regular_tokens", mistakes);
  mistakes.throw_if_any();
  for (const std::string& mistake : arch::validate(additions)) mistakes.add(root.line, mistake);
  mistakes.throw_if_any();
  return additions;
}

arch::TokenAdditions read_token_additions(const std::filesystem::path& path) {
  return parse_token_additions(read_yaml_text(path), path.string());
}

}  // namespace fg::config
