#include <algorithm>
#include <array>

#include <fg/config/keys.hpp>
#include <fg/config/write.hpp>

#include "values.hpp"

namespace fg::config {
namespace {

/// True for a text that YAML reads as that text without quotes.
bool is_plain(const std::string& text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto may_follow = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '/' || c == '-';
  };
  if (text.empty() || !(is_letter(text[0]) || text[0] == '/')) return false;
  if (!std::all_of(text.begin(), text.end(), may_follow)) return false;
  std::string lower = text;
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  constexpr std::array<std::string_view, 9> taken = {"true", "false", "yes", "no", "on",
                                                     "off",  "null",  "y",   "n"};
  return std::find(taken.begin(), taken.end(), lower) == taken.end();
}

std::string quoted(const std::string& text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (text[i] == '"' || text[i] == '\\')
      result += std::string("\\") + text[i];
    else if (byte < 0x20 || byte == 0x7f)
      result += std::string("\\x") + digits[byte / 16] + digits[byte % 16];
    else if (text.compare(i, 2, "${") == 0)
      result += "$$";
    else
      result += text[i];
  }
  return result + "\"";
}

std::string value_text(const Node& node) {
  if (node.kind == Node::Kind::list) {
    std::string text = "[";
    for (std::size_t i = 0; i < node.items.size(); ++i)
      text += (i > 0 ? ", " : "") + value_text(node.items[i]);
    return text + "]";
  }
  if (node.kind == Node::Kind::map) {
    std::string text = "{";
    for (std::size_t i = 0; i < node.members.size(); ++i)
      text += (i > 0 ? ", " : "") + node.members[i].key + ": " + value_text(node.members[i].value);
    return text + "}";
  }
  if (node.kind == Node::Kind::null) return "null";
  if (!node.quoted || is_plain(node.scalar)) return node.scalar;
  return quoted(node.scalar);
}

std::vector<std::string> sections_of(const std::string& key) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t dot; (dot = key.find('.', begin)) != std::string::npos; begin = dot + 1)
    parts.push_back(key.substr(begin, dot - begin));
  parts.push_back(key.substr(begin));
  return parts;
}

Json json_of(const Node& node) {
  if (node.kind == Node::Kind::null) return nullptr;
  if (node.kind == Node::Kind::list) {
    Json list = Json::array();
    for (const Node& item : node.items) list.push_back(json_of(item));
    return list;
  }
  if (node.kind == Node::Kind::map) {
    Json map = Json::object();
    for (const Member& member : node.members) map[member.key] = json_of(member.value);
    return map;
  }
  std::uint64_t natural = 0;
  if (!node.quoted && !read_value(node, natural)) return natural;
  return std::visit([](const auto& held) { return Json(held); }, option_value(node));
}

Json weights_of(const std::vector<DataSource>& sources) {
  Json weights = Json::array();
  for (const DataSource& source : sources) weights.push_back(source.weight);
  return weights;
}

Json flat_json(const Configuration& all, bool with_host_local) {
  Json flat = Json::object();
  for (const Key& key : keys()) {
    if (key.host_local && !with_host_local) continue;
    const Node node = key.write(all);
    if (node.kind != Node::Kind::null) flat[key.path] = json_of(node);
  }
  // The order of groups decides which takes a parameter.
  Json names = Json::array();
  for (const OptimizerGroup& group : all.optimizer_groups) names.push_back(group.name);
  flat[std::string(groups_section)] = names;
  for (const OptimizerGroup& group : all.optimizer_groups) {
    const std::string path = std::string(groups_section) + "." + group.name + ".";
    flat[path + "regex"] = group.regex;
    for (const Setting& setting : group.settings)
      flat[path + setting.name] = json_of(write_value(setting.value));
  }
  if (!with_host_local) flat["data.path.weight"] = weights_of(all.data.path);
  return flat;
}

}  // namespace

std::string to_yaml(std::span<const Value> values, bool origins) {
  std::string text;
  std::vector<std::string> open;  // the sections that the last line stood in
  for (const Value& value : values) {
    if (value.node.kind == Node::Kind::null) continue;
    const std::vector<std::string> parts = sections_of(value.key);
    std::size_t common = 0;
    while (common < open.size() && common + 1 < parts.size() && open[common] == parts[common])
      ++common;
    open.resize(common);
    for (; open.size() + 1 < parts.size(); open.push_back(parts[open.size()]))
      text += std::string(2 * open.size(), ' ') + parts[open.size()] + ":\n";
    std::string line = std::string(2 * open.size(), ' ') + parts.back() + ": ";
    line += value_text(value.node);
    if (origins) {
      if (line.size() < 44) line.resize(44, ' ');
      line += "  # " + value.origin;
    }
    text += line + "\n";
  }
  return text;
}

std::string to_yaml(const Configuration& configuration) {
  std::vector<Value> values;
  const auto add_groups = [&] {
    for (const OptimizerGroup& group : configuration.optimizer_groups) {
      const std::string path = std::string(groups_section) + "." + group.name + ".";
      values.push_back({.key = path + "regex", .node = write_value(group.regex), .origin = {}});
      for (const Setting& setting : group.settings)
        values.push_back(
            {.key = path + setting.name, .node = write_value(setting.value), .origin = {}});
    }
  };
  for (const Key& key : keys())
    values.push_back({.key = key.path, .node = key.write(configuration), .origin = {}});
  add_groups();
  return to_yaml(values);
}

Json to_json(const Configuration& configuration) {
  return flat_json(configuration, true);
}

Json comparable_json(const Configuration& configuration) {
  return flat_json(configuration, false);
}

std::vector<Difference> difference(const Json& before, const Json& after) {
  const auto text = [](const Json& all, const std::string& key) {
    return all.contains(key) ? all[key].dump(-1, ' ', false, Json::error_handler_t::replace)
                             : std::string();
  };
  std::vector<Difference> differences;
  const auto add = [&](const std::string& key) {
    const std::string old_text = text(before, key);
    const std::string new_text = text(after, key);
    if (old_text != new_text)
      differences.push_back({.key = key, .before = old_text, .after = new_text});
  };
  for (const auto& item : after.items()) add(item.key());
  for (const auto& item : before.items())
    if (!after.contains(item.key())) add(item.key());
  return differences;
}

}  // namespace fg::config
