#pragma once

#include <map>
#include <set>
#include <string>

#include "jinja/ast.hpp"

namespace fg::text::jinja {

inline constexpr std::size_t max_names = 1000;  // in one scope

/// The names of one scope and where each gets its value on entering, as jinja2's Symbols. A name
/// that is first read comes from outside; one that is first stored starts without a value.
class Symbols {
public:
  enum class Source { parameter, resolve, alias, missing };
  struct Entry {
    Source source;
    int alias_level = -1;  // alias: the level of the outer scope
  };

  explicit Symbols(const Symbols* parent)
      : parent_(parent), level_(parent == nullptr ? 0 : parent->level_ + 1) {}

  void declare_parameter(const std::string& name);
  /// Visits what belongs to this scope itself; inner scopes are not entered.
  void visit(const Expression& node, bool as_parameter = false);
  void visit(const Statement& statement);
  void visit(const Body& body);

  /// Level of the scope that holds `name`, -1 if none does.
  int find_level(const std::string& name) const;
  int level() const { return level_; }
  const std::map<std::string, Entry>& entries() const { return entries_; }

private:
  void store(const std::string& name);
  void load(const std::string& name);
  void check_size() const;
  void visit_if(const Statement& statement);
  void merge_branches(const Symbols (&branches)[3]);

  const Symbols* parent_;
  int level_;
  std::map<std::string, Entry> entries_;
  std::set<std::string> stores_;
};

/// Which of `names` the bodies read before they store them, in jinja2's order of walking.
std::set<std::string> find_undeclared(const Body& body, std::set<std::string> names);

/// The first assignment to a name `loop` inside a for statement, or null.
const Expression* find_store_of_loop(const Statement& loop);

}  // namespace fg::text::jinja
