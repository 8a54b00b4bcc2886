#include "key_builder.hpp"

namespace fg::config {
namespace {

constexpr std::string_view optimizer_prefix = "optimizer.";

Setting* find_setting(std::vector<Setting>& settings, const std::string& name) {
  for (Setting& setting : settings)
    if (setting.name == name) return &setting;
  return nullptr;
}

/// The value in the kind that lib/optim expects; what was wanted if it has another.
Wanted typed_option(const Key& key, const Node& node, OptionValue& value) {
  if (key.kind == Kind::boolean) {
    bool flag = false;
    Wanted wanted = read_value(node, flag);
    value = flag;
    return wanted;
  }
  if (key.kind == Kind::number) {
    double number = 0;
    Wanted wanted = read_value(node, number);
    value = number;
    return wanted;
  }
  for (const std::string& word : key.choices) {
    if (node.kind != Node::Kind::scalar || node.scalar != word) continue;
    value = word;
    return std::nullopt;
  }
  return one_of(key.choices, node.scalar);
}

std::vector<Key> make_table() {
  std::vector<Key> table;
  add_model_and_data(table);
  add_training(table);
  add_optimizer(table);
  add_records(table);
  // An option's reader needs the finished row: its kind and its choices.
  for (Key& key : table) {
    if (key.option == OptimizerOption::no) continue;
    const std::string name = key.path.substr(optimizer_prefix.size());
    key.read = [row = key, name](Configuration& all, const Node& node) {
      OptionValue value;
      Wanted wanted = typed_option(row, node, value);
      if (wanted) return wanted;
      auto& settings = all.optimizer.settings;
      if (Setting* setting = find_setting(settings, name))
        setting->value = value;
      else
        settings.push_back({.name = name, .value = value});
      return wanted;
    };
    key.write = [name](const Configuration& all) {
      for (const Setting& setting : all.optimizer.settings)
        if (setting.name == name) return write_value(setting.value);
      return Node{};
    };
  }
  return table;
}

const std::vector<Key>& table() {
  static const std::vector<Key> keys = make_table();
  return keys;
}

}  // namespace

KeyBuilder::KeyBuilder(std::string name, Kind kind, OptimizerOption option, std::string help) {
  key_.path = std::string(optimizer_prefix) + std::move(name);
  key_.kind = kind;
  key_.option = option;
  key_.help = std::move(help);
  key_.unset = "the type's own";
}

std::span<const Key> keys() {
  return table();
}

const Key* find_key(std::string_view path) {
  for (const Key& key : table())
    if (key.path == path) return &key;
  return nullptr;
}

std::vector<std::string> optimizer_option_names() {
  std::vector<std::string> names;
  for (const Key& key : table())
    if (key.option != OptimizerOption::no)
      names.push_back(key.path.substr(optimizer_prefix.size()));
  return names;
}

}  // namespace fg::config
