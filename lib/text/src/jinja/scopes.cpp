#include "jinja/scopes.hpp"

#include <map>
#include <memory>
#include <optional>

#include "jinja/failure.hpp"
#include "jinja/parser.hpp"
#include "jinja/registry.hpp"
#include "jinja/symbols.hpp"

namespace fg::text::jinja {
namespace {

constexpr int max_nested_loops = 20;  // of one function, as in Python

/// The slots of one function, named by scope level and name: scopes beside each other share them.
struct FunctionState {
  FunctionPlan* plan;
  int first_level;  // of the scopes inside
  std::map<std::pair<int, std::string>, int> slots;
  int loops = 0;  // around the statement at hand
};

struct Frame {
  const Symbols* symbols;
  bool soft = false;  // inside if: unknown filters fail only when they run
};

ExpressionPtr clone_target(const Expression& node) {
  auto copy = std::make_unique<Expression>();
  copy->kind = node.kind;
  copy->line = node.line;
  copy->column = node.column;
  copy->depth = node.depth;
  copy->name = node.name;
  copy->use = node.use;
  for (const ExpressionPtr& operand : node.operands)
    copy->operands.push_back(clone_target(*operand));
  return copy;
}

class Resolver {
public:
  Tree run(Body body) {
    Tree tree;
    tree.body = std::move(body);
    Symbols symbols(nullptr);
    if (find_undeclared(tree.body, {"self"}).contains("self"))
      throw SyntaxFailure("the variable 'self' (blocks of a template) is not supported", 1, 1);
    symbols.visit(tree.body);
    functions_.push_back({&tree.function, 0, {}, 0});
    visit(tree.body, {&symbols, false});
    tree.scope = plan(symbols);
    functions_.pop_back();
    if (stray_) throw *stray_;
    return tree;
  }

private:
  // ---- slots

  Slot slot_of(const std::string& name, int level) {
    int owner = static_cast<int>(functions_.size()) - 1;
    while (functions_[static_cast<std::size_t>(owner)].first_level > level) --owner;
    FunctionState& function = functions_[static_cast<std::size_t>(owner)];
    const auto [at, is_new] = function.slots.try_emplace({level, name}, function.plan->slots);
    if (is_new) ++function.plan->slots;
    return {static_cast<int>(functions_.size()) - 1 - owner, at->second};
  }

  Slot slot_of(const std::string& name, const Frame& frame, int line, int column) {
    const int level = frame.symbols->find_level(name);
    if (level < 0)
      throw SyntaxFailure("the name '" + name + "' is not known in this place", line, column);
    return slot_of(name, level);
  }

  ScopePlan plan(const Symbols& symbols) {
    ScopePlan result;
    for (const auto& [name, entry] : symbols.entries()) {
      const int index = slot_of(name, symbols.level()).index;
      result.owned.push_back(index);
      switch (entry.source) {
        case Symbols::Source::parameter:
          break;
        case Symbols::Source::resolve:
          result.loads.push_back({Load::Action::resolve, index, name, {}});
          break;
        case Symbols::Source::alias:
          result.loads.push_back(
              {Load::Action::alias, index, name, slot_of(name, entry.alias_level)});
          break;
        case Symbols::Source::missing:
          result.loads.push_back({Load::Action::missing, index, name, {}});
          break;
      }
    }
    return result;
  }

  // ---- expressions

  void visit(Expression& node, Frame frame) {
    if (node.kind == ExpressionKind::name || node.kind == ExpressionKind::space_name)
      node.slot = slot_of(node.name, frame, node.line, node.column);
    const bool is_filter = node.kind == ExpressionKind::filter;
    if ((is_filter || node.kind == ExpressionKind::test) && !frame.soft) {
      if (!(is_filter ? has_filter(node.name) : has_test(node.name)))
        throw SyntaxFailure(
            std::string("No ") + (is_filter ? "filter" : "test") + " named '" + node.name + "'.",
            node.line, node.column);
    }
    if (node.kind == ExpressionKind::conditional) frame.soft = true;
    for_each_child(node, [&](Expression& child) { visit(child, frame); });
  }

  // ---- statements

  void visit(Body& body, const Frame& frame) {
    for (const StatementPtr& statement : body) visit(*statement, frame);
  }

  void visit(Statement& s, const Frame& frame) {
    switch (s.kind) {
      case StatementKind::output:
        for (const ExpressionPtr& node : s.expressions) visit(*node, frame);
        return;
      case StatementKind::set:
        visit(*s.targets[0], frame);
        visit(*s.expressions[0], frame);
        return;
      case StatementKind::set_block:
        visit_set_block(s, frame);
        return;
      case StatementKind::for_loop:
        visit_for(s, frame);
        return;
      case StatementKind::if_else:
        visit_if(s, frame);
        return;
      case StatementKind::macro:
        visit_callable(s, frame);
        s.slot = slot_of(s.name, frame, s.line, s.column);
        return;
      case StatementKind::call_block:
        visit_callable(s, frame);
        visit(*s.expressions[0], frame);
        return;
      case StatementKind::generation:
        visit_callable(s, frame);
        return;
      case StatementKind::filter_block:
        visit_filter_block(s, frame);
        return;
      case StatementKind::with:
        visit_with(s, frame);
        return;
      case StatementKind::break_loop:
      case StatementKind::continue_loop:
        if (functions_.back().loops == 0 && !stray_)
          stray_ = SyntaxFailure(s.kind == StatementKind::break_loop ? "'break' outside loop"
                                                                     : "'continue' outside loop",
                                 s.line, s.column);
        return;
    }
  }

  void visit_if(Statement& s, Frame frame) {
    frame.soft = true;
    visit(*s.expressions[0], frame);
    visit(s.body, frame);
    for (const StatementPtr& part : s.elifs) {
      visit(*part->expressions[0], frame);
      visit(part->body, frame);
    }
    visit(s.otherwise, frame);
  }

  void visit_set_block(Statement& s, const Frame& frame) {
    Symbols inner(frame.symbols);
    inner.visit(s.body);
    const Frame block{&inner, false};
    visit(s.body, block);
    visit(*s.targets[0], frame);
    if (s.filter) visit(*s.filter, block);
    s.scope = plan(inner);
  }

  void visit_filter_block(Statement& s, const Frame& frame) {
    Symbols inner(frame.symbols);
    inner.visit(s.body);
    inner.visit(*s.filter);
    const Frame block{&inner, false};
    visit(s.body, block);
    visit(*s.filter, block);
    s.scope = plan(inner);
  }

  void visit_with(Statement& s, const Frame& frame) {
    Symbols inner(frame.symbols);
    for (const ExpressionPtr& target : s.targets) inner.visit(*target);
    inner.visit(s.body);
    const Frame block{&inner, false};
    for (std::size_t i = 0; i < s.targets.size(); ++i) {
      visit(*s.targets[i], block);
      visit(*s.expressions[i], frame);
    }
    visit(s.body, block);
    s.scope = plan(inner);
  }

  void visit_for(Statement& s, const Frame& frame) {
    Symbols loop(frame.symbols);
    const bool extended = s.recursive || find_undeclared(s.body, {"loop"}).contains("loop");
    if (extended) loop.declare_parameter("loop");
    loop.visit(*s.targets[0], true);
    loop.visit(s.body);
    if (s.condition) visit_condition(s, frame);
    if (const Expression* store = find_store_of_loop(s))
      throw SyntaxFailure("Can't assign to special loop variable in for-loop target", store->line,
                          store->column);
    if (!s.recursive) visit(*s.iterable, frame);
    if (s.recursive) functions_.push_back({&s.function, loop.level(), {}, 0});
    visit_loop_body(s, frame, loop, extended);
    if (s.recursive) {
      functions_.pop_back();
      visit(*s.iterable, frame);
    }
  }

  void visit_loop_body(Statement& s, const Frame& frame, const Symbols& loop, bool extended) {
    const Frame inside{&loop, false};
    visit(*s.targets[0], inside);
    if (extended) s.loop_slot = slot_of("loop", loop.level()).index;
    if (++functions_.back().loops > max_nested_loops && !stray_)
      stray_ = SyntaxFailure("too many statically nested blocks", s.line, s.column);
    visit(s.body, inside);
    --functions_.back().loops;
    s.scope = plan(loop);
    if (s.otherwise.empty()) return;
    Symbols otherwise(frame.symbols);
    otherwise.visit(s.otherwise);
    visit(s.otherwise, {&otherwise, false});
    s.otherwise_scope = plan(otherwise);
  }

  void visit_condition(Statement& s, const Frame& frame) {
    Symbols test(frame.symbols);
    test.visit(*s.targets[0], true);
    test.visit(*s.condition);
    s.targets.push_back(clone_target(*s.targets[0]));
    functions_.push_back({&s.condition_function, test.level(), {}, 0});
    const Frame inside{&test, false};
    visit(*s.targets[1], inside);
    visit(*s.condition, inside);
    s.condition_scope = plan(test);
    functions_.pop_back();
  }

  void visit_callable(Statement& s, const Frame& frame) {
    Symbols inner(frame.symbols);
    Signature& signature = *s.signature;
    for (const Parameter& parameter : signature.parameters) inner.visit(*parameter.name);
    for (const ExpressionPtr& node : signature.defaults) inner.visit(*node);
    inner.visit(s.body);
    functions_.push_back({&s.function, inner.level(), {}, 0});
    declare_specials(s, inner);
    const Frame inside{&inner, false};
    for (Parameter& parameter : signature.parameters)
      parameter.slot = slot_of(parameter.name->name, inner.level()).index;
    for (const ExpressionPtr& node : signature.defaults) visit(*node, inside);
    visit(s.body, inside);
    s.scope = plan(inner);
    functions_.pop_back();
  }

  void declare_specials(Statement& s, Symbols& inner) {
    Signature& signature = *s.signature;
    const std::set<std::string> special = find_undeclared(s.body, {"caller", "kwargs", "varargs"});
    const auto parameter = [&](const std::string& name) -> std::optional<std::size_t> {
      for (std::size_t i = 0; i < signature.parameters.size(); ++i)
        if (signature.parameters[i].name->name == name) return i;
      return std::nullopt;
    };
    const auto declare = [&](const std::string& name) {
      inner.declare_parameter(name);
      return slot_of(name, inner.level()).index;
    };
    const auto caller = parameter("caller");
    signature.explicit_caller = caller.has_value();
    if (special.contains("caller")) {
      if (!caller)
        signature.caller_slot = declare("caller");
      else if (*caller < signature.parameters.size() - signature.defaults.size())
        throw SyntaxFailure("the special \"caller\" argument must be omitted or be given a default",
                            s.line, s.column);
    }
    if (special.contains("kwargs") && !parameter("kwargs"))
      signature.keywords_slot = declare("kwargs");
    if (special.contains("varargs") && !parameter("varargs"))
      signature.varargs_slot = declare("varargs");
  }

  std::vector<FunctionState> functions_;
  std::optional<SyntaxFailure> stray_;
};

}  // namespace

Tree resolve(Body body) {
  return Resolver().run(std::move(body));
}

}  // namespace fg::text::jinja
