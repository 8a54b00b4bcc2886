#include "jinja/interpreter.hpp"

#include <fg/base/failpoint.hpp>

#include "jinja/attributes.hpp"
#include "jinja/iteration.hpp"
#include "jinja/operators.hpp"
#include "jinja/python_text.hpp"
#include "jinja/registry.hpp"

namespace fg::text::jinja {

/// A loop's filter: yields the items that pass, evaluated one at a time as the loop asks for them.
class FilteredItems : public Iterator {
public:
  FilteredItems(const Statement& statement, std::shared_ptr<Activation> activation, Value iterable)
      : statement_(statement), activation_(std::move(activation)), iterable_(std::move(iterable)) {
    depth = iterable_.depth() + 1;
  }

  std::optional<Value> next(Interpreter& run) override {
    std::swap(run.activation_, activation_);
    std::optional<Value> found;
    try {
      found = search(run);
    } catch (...) {
      std::swap(run.activation_, activation_);
      throw;
    }
    std::swap(run.activation_, activation_);
    return found;
  }

private:
  std::optional<Value> search(Interpreter& run) {
    if (!source_) {
      run.enter(statement_.condition_scope);
      source_ = iterate(run, iterable_);
    }
    const Expression& target = *statement_.targets[1];
    while (auto item = source_->next(run)) {
      run.budget().step();
      run.assign(target, *item);
      if (is_true(run.evaluate(*statement_.condition))) return read_back(run, target);
    }
    return std::nullopt;
  }

  /// The value of the target: unpacked items come back as tuples.
  Value read_back(Interpreter& run, const Expression& target) {
    if (target.kind == ExpressionKind::name) return run.slot(target.slot);
    Values items;
    for (const ExpressionPtr& part : target.operands) items.push_back(read_back(run, *part));
    return run.tuple(std::move(items));
  }

  const Statement& statement_;
  std::shared_ptr<Activation> activation_;
  Value iterable_;
  std::shared_ptr<Iterator> source_;
};

/// Bounds how deep the interpreter calls itself.
class Interpreter::Depth {
public:
  explicit Depth(Interpreter& run) : run_(run) {
    if (++run_.depth_ > run_.budget_.limits().evaluation_depth) {
      --run_.depth_;
      limit_failure("the template nests its evaluation more than " +
                    std::to_string(run_.budget_.limits().evaluation_depth) + " deep");
    }
  }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;
  ~Depth() { --run_.depth_; }

private:
  Interpreter& run_;
};

Interpreter::Interpreter(const Tree& tree, std::shared_ptr<const Dict> variables,
                         const Limits& limits, Clock clock)
    : tree_(tree), variables_(std::move(variables)), budget_(limits), clock_(std::move(clock)) {}

Interpreter::~Interpreter() {
  activation_.reset();
  for (const auto& object : kept_) object->release();
}

void Interpreter::keep(std::shared_ptr<Cyclic> object) {
  budget_.allocate(sizeof(Activation));
  kept_.push_back(std::move(object));
}

/// Lets go of an object at once if nobody else has it.
void Interpreter::drop(const std::shared_ptr<Cyclic>& object) {
  if (!kept_.empty() && kept_.back() == object && object.use_count() <= 2) kept_.pop_back();
}

Value Interpreter::make_space(std::shared_ptr<Dict> attributes) {
  auto space = std::make_shared<Space>();
  space->attributes = std::move(attributes);
  keep(space);
  return Value(Kind::space, std::move(space));
}

Place Interpreter::place() const {
  if (at_expression_ != nullptr) return {at_expression_->line, at_expression_->column};
  if (at_statement_ != nullptr) return {at_statement_->line, at_statement_->column};
  return {};
}

std::shared_ptr<Activation> Interpreter::make_activation(
    const FunctionPlan& plan, const std::shared_ptr<Activation>& parent) {
  auto activation = std::make_shared<Activation>();
  budget_.allocate(static_cast<std::size_t>(plan.slots) * sizeof(Value));
  activation->slots.assign(static_cast<std::size_t>(plan.slots), Value::missing());
  activation->parent = parent;
  keep(activation);
  return activation;
}

Text Interpreter::render() {
  Text result;
  out_ = &result;
  activation_ = make_activation(tree_.function, nullptr);
  enter(tree_.scope);
  execute(tree_.body);
  return result;
}

Value& Interpreter::slot(const Slot& slot) {
  Activation* activation = activation_.get();
  for (int hop = 0; hop < slot.hops; ++hop) activation = activation->parent.get();
  return activation->slots[static_cast<std::size_t>(slot.index)];
}

Value Interpreter::look_up(const std::string& name) const {
  if (const Value* value = variables_->find(name)) return *value;
  return find_global(name);
}

void Interpreter::enter(const ScopePlan& scope) {
  for (const Load& load : scope.loads) {
    Value& target = activation_->slots[static_cast<std::size_t>(load.index)];
    switch (load.action) {
      case Load::Action::resolve:
        target = look_up(load.name);
        break;
      case Load::Action::alias:
        target = slot(load.source);
        break;
      case Load::Action::missing:
        target = Value::missing();
        break;
    }
  }
}

void Interpreter::leave(const ScopePlan& scope) {
  for (const int index : scope.owned)
    activation_->slots[static_cast<std::size_t>(index)] = Value::missing();
}

template <typename Action>
Interpreter::Flow Interpreter::capture(Text& into, Action action) {
  Text* const outer = out_;
  out_ = &into;
  Flow flow = Flow::next;
  try {
    flow = action();
  } catch (...) {
    out_ = outer;
    throw;
  }
  out_ = outer;
  return flow;
}

Interpreter::Flow Interpreter::execute(const Body& body) {
  for (const StatementPtr& statement : body)
    if (const Flow flow = execute(*statement); flow != Flow::next) return flow;
  return Flow::next;
}

Interpreter::Flow Interpreter::execute(const Statement& statement) {
  const Depth depth(*this);
  budget_.step();
  at_statement_ = &statement;
  switch (statement.kind) {
    case StatementKind::output:
      output(statement);
      return Flow::next;
    case StatementKind::set:
      set(statement);
      return Flow::next;
    case StatementKind::set_block:
      return set_block(statement);
    case StatementKind::for_loop:
      return for_loop(statement);
    case StatementKind::if_else:
      return if_else(statement);
    case StatementKind::macro:
      slot(statement.slot) = make_macro(statement);
      return Flow::next;
    case StatementKind::call_block: {
      const Value caller = make_macro(statement);
      append_str(budget_, *out_, evaluate_call(*statement.expressions[0], &caller));
      return Flow::next;
    }
    case StatementKind::generation:
      generation(statement);
      return Flow::next;
    case StatementKind::filter_block:
      return filter_block(statement);
    case StatementKind::with:
      return with(statement);
    case StatementKind::break_loop:
      return Flow::break_loop;
    case StatementKind::continue_loop:
      return Flow::continue_loop;
  }
  return Flow::next;
}

void Interpreter::output(const Statement& statement) {
  for (const ExpressionPtr& node : statement.expressions) {
    if (node->kind == ExpressionKind::data) {
      out_->append(node->value.string().text);
      budget_.allocate(node->value.bytes().size());
    } else {
      const Value value = evaluate(*node);
      append_str(budget_, *out_, value);
    }
    if (out_->size() > budget_.limits().output_bytes)
      limit_failure("the output grows beyond " + std::to_string(budget_.limits().output_bytes) +
                    " bytes");
  }
}

void Interpreter::assign(const Expression& target, const Value& value) {
  if (target.kind == ExpressionKind::name) {
    slot(target.slot) = value;
    return;
  }
  if (target.kind == ExpressionKind::space_name) {
    const Value& space = slot(target.slot);
    if (!space.is(Kind::space))
      throw Failure(FailureKind::runtime, "cannot assign attribute on non-namespace object");
    space.as<Space>().attributes->set(target.value, value);
    return;
  }
  const std::shared_ptr<Iterator> items = iterate(*this, value);
  Values unpacked;
  while (auto item = items->next(*this)) {
    budget_.step();
    unpacked.push_back(std::move(*item));
    if (unpacked.size() > target.operands.size())
      value_failure("too many values to unpack (expected " +
                    std::to_string(target.operands.size()) + ")");
  }
  if (unpacked.size() < target.operands.size())
    value_failure("not enough values to unpack (expected " +
                  std::to_string(target.operands.size()) + ", got " +
                  std::to_string(unpacked.size()) + ")");
  for (std::size_t i = 0; i < unpacked.size(); ++i) assign(*target.operands[i], unpacked[i]);
}

void Interpreter::set(const Statement& statement) {
  const Expression& target = *statement.targets[0];
  const auto check = [this](auto&& self, const Expression& node) -> void {
    if (node.kind == ExpressionKind::space_name && !slot(node.slot).is(Kind::space))
      throw Failure(FailureKind::runtime, "cannot assign attribute on non-namespace object");
    for (const ExpressionPtr& part : node.operands) self(self, *part);
  };
  check(check, target);
  assign(target, evaluate(*statement.expressions[0]));
}

Interpreter::Flow Interpreter::set_block(const Statement& statement) {
  enter(statement.scope);
  Text text;
  const Flow flow = capture(text, [&] { return execute(statement.body); });
  if (flow != Flow::next) return flow;
  Value value;
  if (statement.filter) {
    const Text* const outer = std::exchange(filter_body_, &text);
    value = evaluate(*statement.filter);
    filter_body_ = outer;
  } else {
    value = string(std::move(text));
  }
  assign(*statement.targets[0], value);
  leave(statement.scope);
  return Flow::next;
}

Interpreter::Flow Interpreter::filter_block(const Statement& statement) {
  enter(statement.scope);
  Text text;
  const Flow flow = capture(text, [&] { return execute(statement.body); });
  if (flow != Flow::next) return flow;
  const Text* const outer = std::exchange(filter_body_, &text);
  append_str(budget_, *out_, evaluate(*statement.filter));
  filter_body_ = outer;
  leave(statement.scope);
  return Flow::next;
}

Interpreter::Flow Interpreter::with(const Statement& statement) {
  enter(statement.scope);
  for (std::size_t i = 0; i < statement.targets.size(); ++i)
    assign(*statement.targets[i], evaluate(*statement.expressions[i]));
  const Flow flow = execute(statement.body);
  if (flow == Flow::next) leave(statement.scope);
  return flow;
}

Interpreter::Flow Interpreter::if_else(const Statement& statement) {
  if (is_true(evaluate(*statement.expressions[0]))) return execute(statement.body);
  for (const StatementPtr& part : statement.elifs)
    if (is_true(evaluate(*part->expressions[0]))) return execute(part->body);
  return execute(statement.otherwise);
}

void Interpreter::generation(const Statement& statement) {
  const Value body = make_macro(statement);
  const Value text = call_macro(body.as<Macro>(), {});
  Text marked = text.string().text;
  marked.mark(in_generation);
  budget_.allocate(marked.size());
  out_->append(marked);
}

Interpreter::Flow Interpreter::for_loop(const Statement& statement) {
  const Value iterable = evaluate(*statement.iterable);
  if (!statement.recursive) return run_loop(statement, iterable, nullptr);
  append_str(budget_, *out_, run_recursive(statement, activation_, iterable, 0));
  return Flow::next;
}

/// Runs the loop over `iterable` in the activation at hand. `recursion` carries the depth and the
/// way back for a recursive loop.
Interpreter::Flow Interpreter::run_loop(const Statement& statement, const Value& iterable,
                                        LoopContext* recursion) {
  auto loop = std::make_shared<LoopContext>();
  keep(loop);
  if (recursion != nullptr) {
    loop->depth0 = recursion->depth0;
    loop->recursive = recursion->recursive;
    loop->closure = recursion->closure;
  }
  if (statement.condition) {
    auto activation = make_activation(statement.condition_function, activation_);
    loop->source = std::make_shared<FilteredItems>(statement, std::move(activation), iterable);
  } else {
    loop->length = known_length(iterable);
    loop->source = iterate(*this, iterable);
  }
  if (loop->source->depth > max_object_depth) limit_failure("iterators are nested too deep");
  bool ran = false;
  const Flow flow = loop_items(statement, *loop, loop, ran);
  leave(statement.scope);
  drop(loop);
  if (flow != Flow::next || ran || statement.otherwise.empty()) return flow;
  enter(statement.otherwise_scope);
  const Flow otherwise = execute(statement.otherwise);
  if (otherwise == Flow::next) leave(statement.otherwise_scope);
  return otherwise;
}

/// `ran`: a round came to its end; jinja2 runs the else part when none did, also after break or
/// continue.
Interpreter::Flow Interpreter::loop_items(const Statement& statement, LoopContext& loop,
                                          const std::shared_ptr<LoopContext>& shared, bool& ran) {
  static const bool else_lost = fault_planted("text.else_after_continue_lost");
  const Expression* const outer = at_expression_;
  while (loop.advance(*this)) {
    budget_.step();
    assign(*statement.targets[0], loop.current);
    if (statement.loop_slot >= 0)
      activation_->slots[static_cast<std::size_t>(statement.loop_slot)] = Value(Kind::loop, shared);
    enter(statement.scope);
    const Flow flow = execute(statement.body);
    at_statement_ = &statement;
    at_expression_ = outer;
    if (flow == Flow::break_loop) break;
    if (flow == Flow::next || else_lost) ran = true;
  }
  return Flow::next;
}

}  // namespace fg::text::jinja
