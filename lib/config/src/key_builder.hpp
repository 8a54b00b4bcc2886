#pragma once

#include <type_traits>
#include <utility>

#include <fg/config/keys.hpp>

#include "values.hpp"

namespace fg::config {

template <class T>
constexpr Kind kind_of() {
  if constexpr (std::is_same_v<T, bool>) return Kind::boolean;
  if constexpr (std::is_same_v<T, std::int64_t> || std::is_same_v<T, std::uint64_t>)
    return Kind::integer;
  if constexpr (std::is_same_v<T, double>) return Kind::number;
  if constexpr (std::is_same_v<T, std::string>) return Kind::text;
  if constexpr (std::is_same_v<T, std::filesystem::path>) return Kind::path;
  if constexpr (std::is_same_v<T, Duration>) return Kind::duration;
  if constexpr (std::is_same_v<T, std::vector<DataSource>>) return Kind::sources;
  if constexpr (std::is_same_v<T, std::vector<std::int64_t>>) return Kind::integers;
  if constexpr (IsChoice<T>) return Kind::choice;
}

template <class T>
struct Inner {
  using type = T;
};
template <class T>
struct Inner<std::optional<T>> {
  using type = T;
};

/// A row of the table, step by step: KeyBuilder("train.seq_len", [](auto& c) -> auto& { return
/// c.train.seq_len; }, "…").least(1).
class KeyBuilder {
public:
  template <class Field>
  KeyBuilder(std::string path, Field field, std::string help) {
    using Held = std::remove_cvref_t<decltype(field(std::declval<Configuration&>()))>;
    using T = typename Inner<Held>::type;
    key_.path = std::move(path);
    key_.kind = kind_of<T>();
    key_.help = std::move(help);
    if constexpr (IsChoice<T>) key_.choices = words_of<T>();
    key_.host_local = key_.kind == Kind::path || key_.kind == Kind::sources;
    key_.read = [field](Configuration& all, const Node& node) {
      return read_value(node, field(all));
    };
    key_.write = [field](const Configuration& all) { return write_value(field(all)); };
  }

  /// An option of the optimizer, kept among its settings.
  KeyBuilder(std::string name, Kind kind, OptimizerOption option, std::string help);

  KeyBuilder& least(double bound) { return key_.range.least = bound, *this; }
  KeyBuilder& above(double bound) { return key_.range.above = bound, *this; }
  KeyBuilder& most(double bound) { return key_.range.most = bound, *this; }
  KeyBuilder& unset(std::string meaning) { return key_.unset = std::move(meaning), *this; }
  KeyBuilder& host_local() { return key_.host_local = true, *this; }
  KeyBuilder& alias(const std::string& other, const std::string& word) {
    return key_.aliases[other] = word, *this;
  }
  KeyBuilder& choices(std::vector<std::string> words) {
    return key_.choices = std::move(words), *this;
  }
  /// A text that is a path unless it is one of `words`.
  KeyBuilder& path_or(std::vector<std::string> words) {
    key_.kind = Kind::path;
    return host_local().choices(std::move(words));
  }

  operator Key() const { return key_; }

private:
  Key key_;
};

/// The sections, in the order of the documentation.
void add_model_and_data(std::vector<Key>& table);
void add_training(std::vector<Key>& table);
void add_optimizer(std::vector<Key>& table);
void add_records(std::vector<Key>& table);

}  // namespace fg::config

#define FG_FIELD(member)   \
  [](auto& all) -> auto& { \
    return all.member;     \
  }
#define FG_KEY(member, help) KeyBuilder(#member, FG_FIELD(member), help)
