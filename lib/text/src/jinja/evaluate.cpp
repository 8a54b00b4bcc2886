#include "jinja/attributes.hpp"
#include "jinja/interpreter.hpp"
#include "jinja/iteration.hpp"
#include "jinja/operators.hpp"
#include "jinja/python_text.hpp"
#include "jinja/registry.hpp"

namespace fg::text::jinja {

Value Interpreter::evaluate(const Expression& node) {
  if (++depth_ > budget_.limits().evaluation_depth)
    limit_failure("the template nests its evaluation more than " +
                  std::to_string(budget_.limits().evaluation_depth) + " deep");
  budget_.step();
  // Not restored when something fails: the innermost expression then says where.
  const Expression* const outer = std::exchange(at_expression_, &node);
  Value value = evaluate_parts(node);
  at_expression_ = outer;
  --depth_;
  return value;
}

Value Interpreter::evaluate_parts(const Expression& node) {
  switch (node.kind) {
    case ExpressionKind::constant:
    case ExpressionKind::data:
      return node.value;
    case ExpressionKind::name:
    case ExpressionKind::space_name:
      return evaluate_name(node);
    case ExpressionKind::list:
      return list(evaluate_all(node.operands));
    case ExpressionKind::tuple:
      return tuple(evaluate_all(node.operands));
    case ExpressionKind::dict:
      return evaluate_dict(node);
    case ExpressionKind::attribute:
      return read_attribute(*this, evaluate(*node.operands[0]), node.value);
    case ExpressionKind::item:
      return evaluate_item(node);
    case ExpressionKind::slice:
      return evaluate_slice(node);
    case ExpressionKind::call:
      return evaluate_call(node, nullptr);
    case ExpressionKind::filter:
      return evaluate_filter(node);
    case ExpressionKind::test: {
      const Value value = evaluate(*node.operands[0]);
      return Value(apply_test(*this, node.name, value, evaluate_arguments(*node.arguments)));
    }
    case ExpressionKind::conditional:
      return evaluate_conditional(node);
    case ExpressionKind::concat:
      return evaluate_concat(node);
    case ExpressionKind::compare:
      return evaluate_compare(node);
    case ExpressionKind::binary: {
      const Value left = evaluate(*node.operands[0]);
      return apply_binary(*this, node.binary, left, evaluate(*node.operands[1]));
    }
    case ExpressionKind::logical_and: {
      Value left = evaluate(*node.operands[0]);
      return is_true(left) ? evaluate(*node.operands[1]) : left;
    }
    case ExpressionKind::logical_or: {
      Value left = evaluate(*node.operands[0]);
      return is_true(left) ? left : evaluate(*node.operands[1]);
    }
    case ExpressionKind::logical_not:
      return Value(!is_true(evaluate(*node.operands[0])));
    case ExpressionKind::negative:
      return negate(evaluate(*node.operands[0]));
    case ExpressionKind::positive:
      return keep_sign(evaluate(*node.operands[0]));
  }
  return Value();
}

Values Interpreter::evaluate_all(const std::vector<ExpressionPtr>& nodes) {
  Values values;
  values.reserve(nodes.size());
  for (const ExpressionPtr& node : nodes) values.push_back(evaluate(*node));
  return values;
}

Value Interpreter::evaluate_name(const Expression& node) {
  const Value& value = slot(node.slot);
  if (!value.is(Kind::missing)) return value;
  return Value::undefined("'" + node.name + "' is undefined");
}

Value Interpreter::evaluate_dict(const Expression& node) {
  auto dict = make_dict();
  budget_.allocate(node.operands.size() * sizeof(Value));
  for (std::size_t i = 0; i + 1 < node.operands.size(); i += 2) {
    const Value key = evaluate(*node.operands[i]);
    dict->set(key, evaluate(*node.operands[i + 1]));
  }
  return dict_value(std::move(dict));
}

Value Interpreter::evaluate_item(const Expression& node) {
  const Value object = evaluate(*node.operands[0]);
  const Expression& argument = *node.operands[1];
  if (argument.kind != ExpressionKind::slice) return read_item(*this, object, evaluate(argument));
  const Value slice = evaluate(argument);
  return read_slice(*this, object, slice);
}

/// A slice is a tuple (start, stop, step) on its way to read_slice.
Value Interpreter::evaluate_slice(const Expression& node) {
  Values parts;
  for (const ExpressionPtr& part : node.operands) parts.push_back(part ? evaluate(*part) : Value());
  return tuple(std::move(parts));
}

Arguments Interpreter::evaluate_arguments(const CallArguments& nodes) {
  Arguments arguments;
  arguments.positional = evaluate_all(nodes.positional);
  for (const KeywordArgument& keyword : nodes.keywords)
    arguments.keywords.emplace_back(make_constant_string(keyword.name), evaluate(*keyword.value));
  if (nodes.dynamic_positional) {
    const auto items = iterate(*this, evaluate(*nodes.dynamic_positional));
    while (auto item = items->next(*this)) {
      budget_.step();
      arguments.positional.push_back(std::move(*item));
    }
  }
  if (nodes.dynamic_keywords) {
    const Value mapping = evaluate(*nodes.dynamic_keywords);
    if (!mapping.is(Kind::dict))
      type_failure("argument after ** must be a mapping, not " + type_name(mapping));
    for (const auto& [key, value] : mapping.dict().entries) {
      budget_.step();
      if (!key.is(Kind::string)) type_failure("keywords must be strings");
      for (const auto& [name, other] : arguments.keywords)
        if (name.bytes() == key.bytes())
          type_failure("got multiple values for keyword argument '" + key.bytes() + "'");
      arguments.keywords.emplace_back(key, value);
    }
  }
  return arguments;
}

Value Interpreter::evaluate_call(const Expression& node, const Value* caller) {
  const Value callee = evaluate(*node.operands[0]);
  Arguments arguments = evaluate_arguments(*node.arguments);
  if (caller != nullptr) {
    for (const auto& [name, value] : arguments.keywords)
      if (name.bytes() == "caller")
        type_failure("got multiple values for keyword argument 'caller'");
    arguments.keywords.emplace_back(make_constant_string("caller"), *caller);
  }
  return call(callee, arguments);
}

Value Interpreter::evaluate_filter(const Expression& node) {
  const Value value = node.operands[0] ? evaluate(*node.operands[0]) : string(Text(*filter_body_));
  return apply_filter(*this, node.name, value, evaluate_arguments(*node.arguments));
}

Value Interpreter::evaluate_conditional(const Expression& node) {
  if (is_true(evaluate(*node.operands[0]))) return evaluate(*node.operands[1]);
  if (node.operands[2]) return evaluate(*node.operands[2]);
  return Value::undefined(
      "the inline if-expression evaluated to false and no else section was defined.");
}

Value Interpreter::evaluate_concat(const Expression& node) {
  Text text;
  for (const Value& part : evaluate_all(node.operands)) append_str(budget_, text, part);
  return string(std::move(text));
}

Value Interpreter::evaluate_compare(const Expression& node) {
  Value left = evaluate(*node.operands[0]);
  for (std::size_t i = 0; i < node.comparisons.size(); ++i) {
    Value right = evaluate(*node.operands[i + 1]);
    if (!compare(*this, node.comparisons[i], left, right)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

}  // namespace fg::text::jinja
