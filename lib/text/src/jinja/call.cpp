#include <algorithm>

#include "jinja/arguments.hpp"
#include "jinja/interpreter.hpp"
#include "jinja/iteration.hpp"
#include "jinja/operators.hpp"
#include "jinja/python_text.hpp"

namespace fg::text::jinja {

bool LoopContext::advance(Interpreter& run) {
  std::optional<Value> item = std::exchange(after, std::nullopt);
  if (!item) item = source->next(run);
  if (!item) return false;
  ++index0;
  before = std::exchange(current, std::move(*item));
  return true;
}

const std::optional<Value>& LoopContext::peek(Interpreter& run) {
  if (!after) after = source->next(run);
  return after;
}

std::int64_t LoopContext::count(Interpreter& run) {
  if (length) return *length;
  Values rest;
  while (auto item = source->next(run)) {
    run.budget().step();
    rest.push_back(std::move(*item));
  }
  length = static_cast<std::int64_t>(rest.size()) + index0 + 1 + (after ? 1 : 0);
  source = iterate(run, run.list(std::move(rest)));
  return *length;
}

void LoopContext::release() noexcept {
  source.reset();
  after.reset();
  current = Value();
  before = Value();
  last_changed.reset();
  closure.reset();
}

Value Interpreter::make_macro(const Statement& statement) {
  auto macro = std::make_shared<Macro>();
  macro->statement = &statement;
  macro->closure = activation_;
  macro->name = statement.name;
  keep(macro);
  return Value(Kind::macro, std::move(macro));
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
  budget_.step();
  switch (callee.kind()) {
    case Kind::function: {
      const Function& function = callee.as<Function>();
      return function.call(*this, function.self, arguments);
    }
    case Kind::macro:
      return call_macro(callee.as<Macro>(), arguments);
    case Kind::loop:
      return call_loop(callee.as<LoopContext>(), arguments);
    case Kind::joiner: {
      Bound("Joiner", arguments, {}, 0);
      Joiner& joiner = callee.as<Joiner>();
      if (std::exchange(joiner.used, true)) return joiner.separator;
      return string("");
    }
    case Kind::undefined:
    case Kind::missing:
      refuse_undefined(callee);
    default:
      type_failure("'" + type_name(callee) + "' object is not callable");
  }
}

/// Puts the arguments into the slots of the macro's activation, as jinja2's Macro.__call__ does.
void Interpreter::bind(const Macro& macro, const Arguments& arguments) {
  const Signature& signature = *macro.statement->signature;
  const std::size_t count = signature.parameters.size();
  std::vector<bool> used(arguments.keywords.size());
  bool found_caller = arguments.positional.size() >= count && signature.explicit_caller;
  Values& slots = activation_->slots;
  for (std::size_t i = 0; i < count; ++i) {
    Value& slot = slots[static_cast<std::size_t>(signature.parameters[i].slot)];
    if (i < arguments.positional.size()) {
      slot = arguments.positional[i];
      continue;
    }
    const std::string& name = signature.parameters[i].name->name;
    if (name == "caller") found_caller = true;
    for (std::size_t k = 0; k < arguments.keywords.size(); ++k) {
      if (arguments.keywords[k].first.bytes() != name) continue;
      slot = arguments.keywords[k].second;
      used[k] = true;
    }
  }
  bind_rest(macro, arguments, used, found_caller);
}

void Interpreter::bind_rest(const Macro& macro, const Arguments& arguments, std::vector<bool>& used,
                            bool found_caller) {
  const Signature& signature = *macro.statement->signature;
  Values& slots = activation_->slots;
  const std::size_t count = signature.parameters.size();
  if (signature.caller_slot >= 0 && !found_caller) {
    Value caller = Value::undefined("No caller defined");
    for (std::size_t k = 0; k < used.size(); ++k) {
      if (arguments.keywords[k].first.bytes() != "caller") continue;
      used[k] = true;
      if (!arguments.keywords[k].second.is(Kind::none)) caller = arguments.keywords[k].second;
    }
    slots[static_cast<std::size_t>(signature.caller_slot)] = caller;
  }
  auto rest = make_dict();
  for (std::size_t k = 0; k < used.size(); ++k)
    if (!used[k]) rest->set(arguments.keywords[k].first, arguments.keywords[k].second);
  if (signature.keywords_slot >= 0)
    slots[static_cast<std::size_t>(signature.keywords_slot)] = dict_value(rest);
  else if (!rest->entries.empty())
    type_failure("macro '" + macro.name + "' takes no keyword argument '" +
                 rest->entries[0].first.bytes() + "'");
  if (signature.varargs_slot >= 0) {
    Values more;
    for (std::size_t i = count; i < arguments.positional.size(); ++i)
      more.push_back(arguments.positional[i]);
    slots[static_cast<std::size_t>(signature.varargs_slot)] = tuple(std::move(more));
  } else if (arguments.positional.size() > count) {
    type_failure("macro '" + macro.name + "' takes not more than " + std::to_string(count) +
                 " argument(s)");
  }
}

/// Restores what a call changes, also when it fails.
class CallFrame {
public:
  CallFrame(std::shared_ptr<Activation>& current, std::shared_ptr<Activation> next, int& calls,
            int limit)
      : current_(current), outer_(std::exchange(current, std::move(next))), calls_(calls) {
    if (++calls_ > limit) {
      leave();
      limit_failure("macros and recursive loops call each other more than " +
                    std::to_string(limit) + " deep");
    }
  }
  CallFrame(const CallFrame&) = delete;
  CallFrame& operator=(const CallFrame&) = delete;
  ~CallFrame() {
    if (!left_) leave();
  }

private:
  void leave() {
    --calls_;
    current_ = std::move(outer_);
    left_ = true;
  }

  std::shared_ptr<Activation>& current_;
  std::shared_ptr<Activation> outer_;
  int& calls_;
  bool left_ = false;
};

Value Interpreter::call_macro(const Macro& macro, const Arguments& arguments) {
  const Statement& statement = *macro.statement;
  const Signature& signature = *statement.signature;
  auto activation = make_activation(statement.function, macro.closure);
  Text text;
  {
    const CallFrame frame(activation_, activation, calls_, budget_.limits().call_depth);
    bind(macro, arguments);
    enter(statement.scope);
    const std::size_t without_default = signature.parameters.size() - signature.defaults.size();
    for (std::size_t i = 0; i < signature.parameters.size(); ++i) {
      const auto index = static_cast<std::size_t>(signature.parameters[i].slot);
      if (!activation_->slots[index].is(Kind::missing)) continue;
      activation_->slots[index] =
          i >= without_default
              ? evaluate(*signature.defaults[i - without_default])
              : Value::undefined("parameter '" + signature.parameters[i].name->name +
                                 "' was not provided");
    }
    Text* const outer = std::exchange(out_, &text);
    const Statement* const place = at_statement_;
    execute(statement.body);
    at_statement_ = place;
    out_ = outer;
  }
  drop(activation);
  return string(std::move(text));
}

Value Interpreter::call_loop(LoopContext& loop, const Arguments& arguments) {
  const Bound bound("loop", arguments, {"iterable"}, 1);
  if (loop.recursive == nullptr)
    type_failure("The loop must have the 'recursive' marker to be called recursively.");
  return run_recursive(*loop.recursive, loop.closure, bound.at(0), loop.depth0 + 1);
}

Value Interpreter::run_recursive(const Statement& statement,
                                 const std::shared_ptr<Activation>& closure, const Value& iterable,
                                 std::int64_t depth0) {
  auto activation = make_activation(statement.function, closure);
  Text text;
  {
    const CallFrame frame(activation_, activation, calls_, budget_.limits().call_depth);
    LoopContext recursion;
    recursion.depth0 = depth0;
    recursion.recursive = &statement;
    recursion.closure = closure;
    Text* const outer = std::exchange(out_, &text);
    run_loop(statement, iterable, &recursion);
    out_ = outer;
  }
  drop(activation);
  return string(std::move(text));
}

}  // namespace fg::text::jinja
