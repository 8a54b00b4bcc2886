#include "jinja/symbols.hpp"

#include "jinja/parser.hpp"

namespace fg::text::jinja {
namespace {

/// Walks the parts of a statement in the order of jinja2's fields.
template <typename OnExpression, typename OnStatement>
void for_each_part(const Statement& s, OnExpression on_expression, OnStatement on_statement) {
  const auto expressions = [&](const std::vector<ExpressionPtr>& list) {
    for (const ExpressionPtr& node : list) on_expression(*node);
  };
  const auto statements = [&](const std::vector<StatementPtr>& list) {
    for (const StatementPtr& part : list) on_statement(*part);
  };
  const auto signature = [&] {
    for (const Parameter& parameter : s.signature->parameters) on_expression(*parameter.name);
    expressions(s.signature->defaults);
  };
  switch (s.kind) {
    case StatementKind::output:
      expressions(s.expressions);
      return;
    case StatementKind::set:
    case StatementKind::with:
      expressions(s.targets);
      expressions(s.expressions);
      statements(s.body);
      return;
    case StatementKind::set_block:
      expressions(s.targets);
      if (s.filter) on_expression(*s.filter);
      statements(s.body);
      return;
    case StatementKind::for_loop:
      on_expression(*s.targets[0]);
      on_expression(*s.iterable);
      statements(s.body);
      statements(s.otherwise);
      if (s.condition) on_expression(*s.condition);
      return;
    case StatementKind::if_else:
      expressions(s.expressions);
      statements(s.body);
      statements(s.elifs);
      statements(s.otherwise);
      return;
    case StatementKind::macro:
    case StatementKind::call_block:
    case StatementKind::generation:
      expressions(s.expressions);
      signature();
      statements(s.body);
      return;
    case StatementKind::filter_block:
      statements(s.body);
      on_expression(*s.filter);
      return;
    case StatementKind::break_loop:
    case StatementKind::continue_loop:
      return;
  }
}

class UndeclaredNames {
public:
  explicit UndeclaredNames(std::set<std::string> names) : names_(std::move(names)) {}

  void visit(const Expression& node) {
    if (node.kind == ExpressionKind::name) {
      if (node.use == NameUse::load && names_.contains(node.name))
        found_.insert(node.name);
      else
        names_.erase(node.name);
    }
    for_each_child(node, [this](const Expression& child) { visit(child); });
  }
  void visit(const Statement& statement) {
    for_each_part(
        statement, [this](const Expression& node) { visit(node); },
        [this](const Statement& part) { visit(part); });
  }
  std::set<std::string> take() { return std::move(found_); }

private:
  std::set<std::string> names_;
  std::set<std::string> found_;
};

const Expression* find_store_of_loop(const Expression& node) {
  if (node.kind == ExpressionKind::name && node.use == NameUse::store && node.name == "loop")
    return &node;
  const Expression* found = nullptr;
  for_each_child(node, [&](const Expression& child) {
    if (found == nullptr) found = find_store_of_loop(child);
  });
  return found;
}

}  // namespace

std::set<std::string> find_undeclared(const Body& body, std::set<std::string> names) {
  UndeclaredNames visitor(std::move(names));
  for (const StatementPtr& statement : body) visitor.visit(*statement);
  return visitor.take();
}

const Expression* find_store_of_loop(const Statement& loop) {
  const Expression* found = nullptr;
  for_each_part(
      loop,
      [&](const Expression& node) {
        if (found == nullptr) found = find_store_of_loop(node);
      },
      [&](const Statement& part) {
        if (found == nullptr) found = find_store_of_loop(part);
      });
  return found;
}

int Symbols::find_level(const std::string& name) const {
  for (const Symbols* scope = this; scope != nullptr; scope = scope->parent_)
    if (scope->entries_.contains(name)) return scope->level_;
  return -1;
}

void Symbols::declare_parameter(const std::string& name) {
  stores_.insert(name);
  entries_[name] = {Source::parameter};
}

void Symbols::store(const std::string& name) {
  stores_.insert(name);
  check_size();
  if (entries_.contains(name)) return;
  const int outer = parent_ == nullptr ? -1 : parent_->find_level(name);
  entries_[name] = outer >= 0 ? Entry{Source::alias, outer} : Entry{Source::missing};
}

void Symbols::check_size() const {
  // Each if copies the table, so this also bounds the time to load a template.
  if (entries_.size() > max_names)
    throw SyntaxFailure("a scope has more than " + std::to_string(max_names) + " names", 1, 1);
}

void Symbols::load(const std::string& name) {
  if (find_level(name) < 0) entries_[name] = {Source::resolve};
  check_size();
}

void Symbols::visit(const Expression& node, bool as_parameter) {
  if (node.kind == ExpressionKind::name) {
    if (as_parameter || node.use == NameUse::parameter)
      declare_parameter(node.name);
    else if (node.use == NameUse::store)
      store(node.name);
    else
      load(node.name);
  } else if (node.kind == ExpressionKind::space_name) {
    load(node.name);
  }
  for_each_child(node, [&](const Expression& child) { visit(child, as_parameter); });
}

void Symbols::visit(const Body& body) {
  for (const StatementPtr& statement : body) visit(*statement);
}

void Symbols::visit(const Statement& s) {
  switch (s.kind) {
    case StatementKind::if_else:
      visit_if(s);
      return;
    case StatementKind::macro:
      store(s.name);
      return;
    case StatementKind::for_loop:
      visit(*s.iterable);
      return;
    case StatementKind::filter_block:
      visit(*s.filter);
      return;
    case StatementKind::set:
    case StatementKind::output:
    case StatementKind::call_block:
    case StatementKind::with:
      for (const ExpressionPtr& node : s.expressions) visit(*node);
      if (s.kind == StatementKind::set) visit(*s.targets[0]);
      return;
    case StatementKind::set_block:
      visit(*s.targets[0]);
      return;
    case StatementKind::generation:
    case StatementKind::break_loop:
    case StatementKind::continue_loop:
      return;
  }
}

void Symbols::visit_if(const Statement& s) {
  visit(*s.expressions[0]);
  Symbols branches[3] = {*this, *this, *this};
  branches[0].visit(s.body);
  branches[1].visit(s.elifs);
  branches[2].visit(s.otherwise);
  merge_branches(branches);
}

void Symbols::merge_branches(const Symbols (&branches)[3]) {
  std::set<std::string> stored;
  for (const Symbols& branch : branches)
    for (const std::string& name : branch.stores_)
      if (!stores_.contains(name)) stored.insert(name);
  for (const Symbols& branch : branches) {
    for (const auto& [name, entry] : branch.entries_) entries_[name] = entry;
    stores_.insert(branch.stores_.begin(), branch.stores_.end());
  }
  for (const std::string& name : stored) {
    const int outer = parent_ == nullptr ? -1 : parent_->find_level(name);
    entries_[name] = outer >= 0 ? Entry{Source::alias, outer} : Entry{Source::resolve};
  }
}

}  // namespace fg::text::jinja
