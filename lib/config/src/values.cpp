#include "values.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace fg::config {
namespace {

bool is_scalar(const Node& node) {
  return node.kind == Node::Kind::scalar;
}

std::string_view without_plus(std::string_view text) {
  return text.starts_with('+') ? text.substr(1) : text;
}

template <class Number>
std::optional<Number> whole_text(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<double> parse_number(std::string_view text) {
  const auto number = whole_text<double>(without_plus(text));
  return number && std::isfinite(*number) ? number : std::nullopt;
}

/// A whole number with an optional k, M or G (thousands), or in the form 1e6.
std::optional<std::int64_t> parse_whole(std::string_view text) {
  text = without_plus(text);
  if (const auto whole = whole_text<std::int64_t>(text)) return whole;
  double factor = 1;
  if (text.ends_with('k') || text.ends_with('K')) factor = 1e3;
  if (text.ends_with('M')) factor = 1e6;
  if (text.ends_with('G')) factor = 1e9;
  if (factor != 1) text.remove_suffix(1);
  const auto number = parse_number(text);
  if (!number) return std::nullopt;
  const double scaled = std::round(*number * factor);
  const bool is_whole = std::abs(*number * factor - scaled) <= std::abs(scaled) * 1e-12;
  if (!is_whole || std::abs(scaled) > 9007199254740992.0) return std::nullopt;  // 2^53
  return static_cast<std::int64_t>(scaled);
}

Node plain(std::string text) {
  return {.kind = Node::Kind::scalar, .scalar = std::move(text)};
}

template <class Number>
std::string number_text(Number number) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, number);
  return {buffer, result.ptr};
}

std::string short_count(std::uint64_t count) {
  if (count > 0 && count % 1'000'000 == 0) return number_text(count / 1'000'000) + "M";
  if (count > 0 && count % 1'000 == 0) return number_text(count / 1'000) + "k";
  return number_text(count);
}

Wanted read_source(const Node& node, DataSource& source) {
  const std::string wanted = "a path, or a list of paths or of {path: …, weight: …}";
  if (is_scalar(node)) {
    source.path = node.scalar;
    return node.scalar.empty() ? Wanted(wanted) : std::nullopt;
  }
  if (node.kind != Node::Kind::map) return wanted;
  for (const Member& member : node.members)
    if (member.key != "path" && member.key != "weight") return wanted;
  const Node* path = node.find("path");
  if (path == nullptr || !is_scalar(*path) || path->scalar.empty()) return wanted;
  source.path = path->scalar;
  const Node* weight = node.find("weight");
  if (weight == nullptr || weight->kind == Node::Kind::null) return std::nullopt;
  if (read_value(*weight, source.weight) || source.weight <= 0)
    return wanted + " with weights above 0";
  return std::nullopt;
}

}  // namespace

std::string one_of(const std::vector<std::string>& words, const std::string& found) {
  std::string text = "one of ";
  for (std::size_t i = 0; i < words.size(); ++i) text += (i > 0 ? ", " : "") + words[i];
  return text + did_you_mean(found, words);
}

Wanted read_value(const Node& node, bool& value) {
  if (is_scalar(node) && !node.quoted) {
    for (const char* word : {"true", "True", "yes", "on"})
      if (node.scalar == word) return value = true, std::nullopt;
    for (const char* word : {"false", "False", "no", "off"})
      if (node.scalar == word) return value = false, std::nullopt;
  }
  return "true or false";
}

Wanted read_value(const Node& node, std::int64_t& value) {
  const auto parsed = is_scalar(node) ? parse_whole(node.scalar) : std::nullopt;
  if (!parsed) return "a whole number";
  value = *parsed;
  return std::nullopt;
}

Wanted read_value(const Node& node, std::uint64_t& value) {
  const auto parsed = is_scalar(node) ? whole_text<std::uint64_t>(node.scalar) : std::nullopt;
  if (!parsed) return "a whole number from 0 to 18446744073709551615";
  value = *parsed;
  return std::nullopt;
}

Wanted read_value(const Node& node, double& value) {
  const auto parsed = is_scalar(node) ? parse_number(node.scalar) : std::nullopt;
  if (!parsed) return "a number";
  value = *parsed;
  return std::nullopt;
}

Wanted read_value(const Node& node, std::string& value) {
  if (!is_scalar(node)) return "a text";
  value = node.scalar;
  return std::nullopt;
}

Wanted read_value(const Node& node, std::filesystem::path& value) {
  if (!is_scalar(node)) return "a path";
  value = node.scalar;
  return std::nullopt;
}

Wanted read_value(const Node& node, Duration& value) {
  const std::string wanted = "steps (100) or tokens (2M tokens)";
  if (!is_scalar(node)) return wanted;
  const std::string_view text = node.scalar;
  const std::size_t space = text.find(' ');
  const auto count = parse_whole(text.substr(0, space));
  std::string_view unit = "steps";
  if (space != std::string_view::npos) {
    unit = text.substr(space);
    unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  }
  const bool is_tokens = unit == "tokens" || unit == "token";
  if (!count || *count < 0 || (!is_tokens && unit != "steps" && unit != "step")) return wanted;
  value.count = static_cast<std::uint64_t>(*count);
  value.unit = is_tokens ? Duration::Unit::tokens : Duration::Unit::steps;
  return std::nullopt;
}

Wanted read_value(const Node& node, std::vector<DataSource>& value) {
  value.clear();
  if (node.kind == Node::Kind::list && !node.items.empty()) {
    for (const Node& item : node.items)
      if (Wanted wanted = read_source(item, value.emplace_back())) return wanted;
    return std::nullopt;
  }
  return read_source(node, value.emplace_back());
}

Wanted read_value(const Node& node, std::vector<std::int64_t>& value) {
  value.clear();
  if (node.kind != Node::Kind::list) return "a list of whole numbers";
  for (const Node& item : node.items)
    if (read_value(item, value.emplace_back())) return "a list of whole numbers";
  return std::nullopt;
}

Node write_value(bool value) {
  return plain(value ? "true" : "false");
}

Node write_value(std::int64_t value) {
  return plain(number_text(value));
}

Node write_value(std::uint64_t value) {
  return plain(number_text(value));
}

Node write_value(double value) {
  std::string text = number_text(value);
  // Readers of YAML 1.1 take a number with an exponent for a text if it has no point.
  const std::size_t exponent = text.find('e');
  if (exponent != std::string::npos && text.find('.') == std::string::npos)
    text.insert(exponent, ".0");
  return plain(std::move(text));
}

Node write_value(const std::string& value) {
  if (value.empty()) return {};
  return {.kind = Node::Kind::scalar, .scalar = value, .quoted = true};
}

Node write_value(const std::filesystem::path& value) {
  return write_value(value.string());
}

Node write_value(const Duration& value) {
  if (value.unit == Duration::Unit::steps) return write_value(value.count);
  return write_value(short_count(value.count) + " tokens");
}

Node write_value(const std::vector<DataSource>& value) {
  if (value.empty()) return {};
  if (value.size() == 1 && value.front().weight == 1) return write_value(value.front().path);
  Node list{.kind = Node::Kind::list};
  for (const DataSource& source : value) {
    Node& item = list.items.emplace_back(Node{.kind = Node::Kind::map});
    item.members.push_back({.key = "path", .value = write_value(source.path)});
    item.members.push_back({.key = "weight", .value = write_value(source.weight)});
  }
  return list;
}

Node write_value(const std::vector<std::int64_t>& value) {
  if (value.empty()) return {};
  Node list{.kind = Node::Kind::list};
  for (const std::int64_t number : value) list.items.push_back(write_value(number));
  return list;
}

Node write_value(const OptionValue& value) {
  return std::visit([](const auto& held) { return write_value(held); }, value);
}

Wanted outside(const Range& range, const Node& node) {
  if (node.kind == Node::Kind::list) {
    for (const Node& item : node.items)
      if (Wanted wanted = outside(range, item)) return wanted;
    return std::nullopt;
  }
  std::int64_t whole = 0;
  double number = 0;
  if (!read_value(node, whole))
    number = static_cast<double>(whole);
  else if (read_value(node, number))
    return std::nullopt;
  const auto limit = [](const char* words, double bound) { return words + number_text(bound); };
  if (range.least && number < *range.least) return limit("at least ", *range.least);
  if (range.above && number <= *range.above) return limit("above ", *range.above);
  if (range.most && number > *range.most) return limit("at most ", *range.most);
  return std::nullopt;
}

OptionValue option_value(const Node& node) {
  if (!node.quoted) {
    bool flag = false;
    std::int64_t whole = 0;
    double number = 0;
    if (!read_value(node, flag)) return flag;
    if (!read_value(node, whole) && number_text(whole) == node.scalar) return whole;
    if (!read_value(node, number)) return number;
  }
  return node.scalar;
}

}  // namespace fg::config
