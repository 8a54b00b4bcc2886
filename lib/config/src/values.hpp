#pragma once

#include <optional>
#include <string>
#include <vector>

#include <fg/base/nearest.hpp>
#include <fg/config/configuration.hpp>
#include <fg/config/keys.hpp>
#include <fg/config/yaml.hpp>

namespace fg::config {

/// What a value should have been ("true or false"), or nothing where it was taken.
using Wanted = std::optional<std::string>;

Wanted read_value(const Node& node, bool& value);
Wanted read_value(const Node& node, std::int64_t& value);  // 2048, 16k, 2M, 1e6
Wanted read_value(const Node& node, std::uint64_t& value);
Wanted read_value(const Node& node, double& value);
Wanted read_value(const Node& node, std::string& value);
Wanted read_value(const Node& node, std::filesystem::path& value);
Wanted read_value(const Node& node, Duration& value);  // 100, 100 steps, 2M tokens
Wanted read_value(const Node& node, std::vector<DataSource>& value);
Wanted read_value(const Node& node, std::vector<std::int64_t>& value);

/// A value as it stands in a file; kind null for what is empty.
Node write_value(bool value);
Node write_value(std::int64_t value);
Node write_value(std::uint64_t value);
Node write_value(double value);
Node write_value(const std::string& value);
Node write_value(const std::filesystem::path& value);
Node write_value(const Duration& value);
Node write_value(const std::vector<DataSource>& value);
Node write_value(const std::vector<std::int64_t>& value);
Node write_value(const OptionValue& value);

/// "one of a, b, c; did you mean 'b'?"
std::string one_of(const std::vector<std::string>& words, const std::string& found);

template <IsChoice Choice>
std::vector<std::string> words_of() {
  return {ChoiceWords<Choice>::words.begin(), ChoiceWords<Choice>::words.end()};
}

template <IsChoice Choice>
Wanted read_value(const Node& node, Choice& value) {
  const auto words = words_of<Choice>();
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (node.kind != Node::Kind::scalar || node.scalar != words[i]) continue;
    value = static_cast<Choice>(i);
    return std::nullopt;
  }
  return one_of(words, node.scalar);
}

template <IsChoice Choice>
Node write_value(Choice value) {
  return write_value(std::string(to_string(value)));
}

template <class T>
Wanted read_value(const Node& node, std::optional<T>& value) {
  T inner{};
  Wanted wanted = read_value(node, inner);
  if (!wanted) value = inner;
  return wanted;
}

template <class T>
Node write_value(const std::optional<T>& value) {
  return value ? write_value(*value) : Node{};
}

/// The numbers of a value (a list's items) that lie outside `range`: what was wanted instead.
Wanted outside(const Range& range, const Node& node);

/// A scalar of a file as an option's value: true, 3, 0.1 or text.
OptionValue option_value(const Node& node);

}  // namespace fg::config
