#include <algorithm>
#include <array>
#include <optional>

#include "jinja/make.hpp"
#include "jinja/parser.hpp"

namespace fg::text::jinja {
namespace {

std::optional<Comparison> comparison_of(const Token& token) {
  static constexpr std::pair<const char*, Comparison> table[] = {
      {"==", Comparison::equal},  {"!=", Comparison::unequal},
      {">", Comparison::greater}, {">=", Comparison::greater_equal},
      {"<", Comparison::less},    {"<=", Comparison::less_equal}};
  for (const auto& [spelling, comparison] : table)
    if (token.is_op(spelling)) return comparison;
  return std::nullopt;
}

}  // namespace

ExpressionPtr Parser::make(ExpressionKind kind, const Token& token) const {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = token.line;
  node->column = token.column;
  return node;
}

ExpressionPtr Parser::make_constant(Value value, const Token& token) const {
  ExpressionPtr node = make(ExpressionKind::constant, token);
  node->value = std::move(value);
  return node;
}

/// Completes a node whose children are in place: its depth, which walking it later relies on.
ExpressionPtr Parser::finish(ExpressionPtr node) const {
  for_each_child(*node, [&](const Expression& child) {
    node->depth = std::max(node->depth, child.depth + 1);
  });
  if (node->depth > max_tree_depth)
    fail("an expression has more than " + std::to_string(max_tree_depth) +
         " parts inside each other");
  return node;
}

ExpressionPtr Parser::parse_expression(bool with_conditional) {
  return with_conditional ? parse_conditional() : parse_or();
}

ExpressionPtr Parser::parse_conditional() {
  Token token = current();
  ExpressionPtr result = parse_or();
  while (skip_name("if")) {
    ExpressionPtr node = make(ExpressionKind::conditional, token);
    node->operands.push_back(parse_or());
    node->operands.push_back(std::move(result));
    if (skip_name("else")) {
      const Nesting nesting(*this);
      node->operands.push_back(parse_conditional());
    } else {
      node->operands.push_back(nullptr);
    }
    result = finish(std::move(node));
    token = current();
  }
  return result;
}

ExpressionPtr Parser::parse_or() {
  Token token = current();
  ExpressionPtr left = parse_and();
  while (skip_name("or")) {
    ExpressionPtr node = make(ExpressionKind::logical_or, token);
    node->operands.push_back(std::move(left));
    node->operands.push_back(parse_and());
    left = finish(std::move(node));
    token = current();
  }
  return left;
}

ExpressionPtr Parser::parse_and() {
  Token token = current();
  ExpressionPtr left = parse_not();
  while (skip_name("and")) {
    ExpressionPtr node = make(ExpressionKind::logical_and, token);
    node->operands.push_back(std::move(left));
    node->operands.push_back(parse_not());
    left = finish(std::move(node));
    token = current();
  }
  return left;
}

ExpressionPtr Parser::parse_not() {
  if (!current().is_name("not")) return parse_compare();
  const Nesting nesting(*this);
  ExpressionPtr node = make(ExpressionKind::logical_not, next());
  node->operands.push_back(parse_not());
  return finish(std::move(node));
}

ExpressionPtr Parser::parse_compare() {
  const Token token = current();
  ExpressionPtr node = make(ExpressionKind::compare, token);
  node->operands.push_back(parse_sum());
  while (true) {
    if (const auto comparison = comparison_of(current())) {
      next();
      node->comparisons.push_back(*comparison);
    } else if (skip_name("in")) {
      node->comparisons.push_back(Comparison::in);
    } else if (current().is_name("not") && look_ahead().is_name("in")) {
      next();
      next();
      node->comparisons.push_back(Comparison::not_in);
    } else {
      break;
    }
    node->operands.push_back(parse_sum());
  }
  if (node->comparisons.empty()) return std::move(node->operands[0]);
  return finish(std::move(node));
}

template <typename Next>
ExpressionPtr Parser::parse_left_chain(
    Next parse_operand, const std::vector<std::pair<const char*, BinaryOperator>>& table) {
  Token token = current();
  ExpressionPtr left = parse_operand();
  while (true) {
    const auto row = std::find_if(table.begin(), table.end(),
                                  [&](const auto& entry) { return current().is_op(entry.first); });
    if (row == table.end()) return left;
    const Token sign = next();
    ExpressionPtr node = make(ExpressionKind::binary, token);
    node->column = sign.line == token.line ? sign.column : token.column;
    node->binary = row->second;
    node->operands.push_back(std::move(left));
    node->operands.push_back(parse_operand());
    left = finish(std::move(node));
    token = current();
  }
}

ExpressionPtr Parser::parse_sum() {
  static const std::vector<std::pair<const char*, BinaryOperator>> table = {
      {"+", BinaryOperator::add}, {"-", BinaryOperator::subtract}};
  return parse_left_chain([this] { return parse_concat(); }, table);
}

ExpressionPtr Parser::parse_concat() {
  const Token token = current();
  ExpressionPtr first = parse_product();
  if (!current().is_op("~")) return first;
  ExpressionPtr node = make(ExpressionKind::concat, token);
  node->operands.push_back(std::move(first));
  while (skip_op("~")) node->operands.push_back(parse_product());
  return finish(std::move(node));
}

ExpressionPtr Parser::parse_product() {
  static const std::vector<std::pair<const char*, BinaryOperator>> table = {
      {"*", BinaryOperator::multiply},
      {"/", BinaryOperator::divide},
      {"//", BinaryOperator::floor_divide},
      {"%", BinaryOperator::modulo}};
  return parse_left_chain([this] { return parse_power(); }, table);
}

ExpressionPtr Parser::parse_power() {
  static const std::vector<std::pair<const char*, BinaryOperator>> table = {
      {"**", BinaryOperator::power}};
  return parse_left_chain([this] { return parse_unary(); }, table);
}

ExpressionPtr Parser::parse_unary(bool with_filter) {
  ExpressionPtr node;
  if (current().is_op("-") || current().is_op("+")) {
    const Nesting nesting(*this);
    const Token token = next();
    node = make(token.text == "-" ? ExpressionKind::negative : ExpressionKind::positive, token);
    node->operands.push_back(parse_unary(false));
    node = finish(std::move(node));
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filter ? parse_filters(std::move(node)) : std::move(node);
}

ExpressionPtr Parser::parse_name(bool with_namespace) {
  const Token token = next();
  if (token.text == "true" || token.text == "True") return make_constant(Value(true), token);
  if (token.text == "false" || token.text == "False") return make_constant(Value(false), token);
  if (token.text == "none" || token.text == "None") return make_constant(Value(), token);
  ExpressionPtr node = make(ExpressionKind::name, token);
  node->name = token.text;
  if (with_namespace && skip_op(".")) {
    node->kind = ExpressionKind::space_name;
    node->attribute = expect(TokenKind::name).text;
    node->value = make_constant_string(node->attribute);
  }
  return node;
}

ExpressionPtr Parser::parse_strings() {
  const Token token = current();
  std::string joined;
  while (current().kind == TokenKind::string) joined += next().text;
  return make_constant(make_constant_string(joined), token);
}

ExpressionPtr Parser::parse_primary(bool with_namespace) {
  const Token token = current();
  switch (token.kind) {
    case TokenKind::name:
      return parse_name(with_namespace);
    case TokenKind::string:
      return parse_strings();
    case TokenKind::integer:
      next();
      return make_constant(Value(token.integer), token);
    case TokenKind::real:
      next();
      return make_constant(Value(token.real), token);
    default:
      break;
  }
  if (token.is_op("(")) {
    const Nesting nesting(*this);
    next();
    ExpressionPtr node = parse_tuple({.in_parentheses = true});
    expect_op(")");
    return node;
  }
  if (token.is_op("[")) return parse_list();
  if (token.is_op("{")) return parse_dict();
  if (token.kind == TokenKind::end) fail("unexpected 'end of template'");
  fail("unexpected '" + (token.kind == TokenKind::op ? token.text : std::string("end of a tag")) +
       "'");
}

bool Parser::at_tuple_end() const {
  const Token& token = current();
  return token.kind == TokenKind::variable_end || token.kind == TokenKind::block_end ||
         token.is_op(")");
}

ExpressionPtr Parser::parse_tuple(TupleOptions options) {
  Token token = current();
  ExpressionPtr tuple = make(ExpressionKind::tuple, token);
  bool is_tuple = false;
  while (true) {
    if (!tuple->operands.empty()) expect_op(",");
    if (at_tuple_end()) break;
    tuple->operands.push_back(options.simplified ? parse_primary(options.with_namespace)
                                                 : parse_expression(options.with_conditional));
    if (!current().is_op(",")) break;
    is_tuple = true;
    token = current();
  }
  if (!is_tuple) {
    if (!tuple->operands.empty()) return std::move(tuple->operands[0]);
    if (!options.in_parentheses) fail("Expected an expression");
  }
  tuple->line = token.line;
  return finish(std::move(tuple));
}

ExpressionPtr Parser::parse_list() {
  const Nesting nesting(*this);
  ExpressionPtr node = make(ExpressionKind::list, expect_op("["));
  while (!current().is_op("]")) {
    if (!node->operands.empty()) expect_op(",");
    if (current().is_op("]")) break;
    node->operands.push_back(parse_expression());
  }
  expect_op("]");
  return finish(std::move(node));
}

ExpressionPtr Parser::parse_dict() {
  const Nesting nesting(*this);
  ExpressionPtr node = make(ExpressionKind::dict, expect_op("{"));
  while (!current().is_op("}")) {
    if (!node->operands.empty()) expect_op(",");
    if (current().is_op("}")) break;
    node->operands.push_back(parse_expression());
    expect_op(":");
    node->operands.push_back(parse_expression());
  }
  expect_op("}");
  return finish(std::move(node));
}

ExpressionPtr Parser::parse_postfix(ExpressionPtr node) {
  while (true) {
    if (current().is_op(".") || current().is_op("["))
      node = parse_subscript(std::move(node));
    else if (current().is_op("("))
      node = parse_call(std::move(node));
    else
      return node;
  }
}

ExpressionPtr Parser::parse_filters(ExpressionPtr node) {
  while (true) {
    if (current().is_op("|"))
      node = parse_filter_chain(std::move(node), false);
    else if (current().is_name("is"))
      node = parse_test(std::move(node));
    else if (current().is_op("("))
      node = parse_call(std::move(node));
    else
      return node;
  }
}

ExpressionPtr Parser::parse_subscript(ExpressionPtr node) {
  const Token token = next();
  if (token.text == ".") {
    const Token name = current();
    next();
    if (name.kind != TokenKind::name && name.kind != TokenKind::integer)
      fail_at("expected name or number", name);
    const bool by_name = name.kind == TokenKind::name;
    ExpressionPtr result = make(by_name ? ExpressionKind::attribute : ExpressionKind::item, token);
    result->operands.push_back(std::move(node));
    if (by_name) {
      result->name = name.text;
      result->value = make_constant_string(name.text);
    } else {
      result->operands.push_back(make_constant(Value(name.integer), name));
    }
    return finish(std::move(result));
  }
  const Nesting nesting(*this);
  ExpressionPtr result = make(ExpressionKind::item, token);
  result->operands.push_back(std::move(node));
  ExpressionPtr tuple = make(ExpressionKind::tuple, token);
  while (!current().is_op("]")) {
    if (!tuple->operands.empty()) expect_op(",");
    tuple->operands.push_back(parse_subscribed());
  }
  expect_op("]");
  if (tuple->operands.size() == 1)
    result->operands.push_back(std::move(tuple->operands[0]));
  else
    result->operands.push_back(finish(std::move(tuple)));
  return finish(std::move(result));
}

ExpressionPtr Parser::parse_subscribed() {
  ExpressionPtr slice = make(ExpressionKind::slice, current());
  if (current().is_op(":")) {
    next();
    slice->operands.push_back(nullptr);
  } else {
    ExpressionPtr node = parse_expression();
    if (!current().is_op(":")) return node;
    next();
    slice->operands.push_back(std::move(node));
  }
  const auto at_end = [this] { return current().is_op("]") || current().is_op(","); };
  const bool has_stop = !current().is_op(":") && !at_end();
  slice->operands.push_back(has_stop ? parse_expression() : nullptr);
  ExpressionPtr step;
  if (skip_op(":") && !at_end()) step = parse_expression();
  slice->operands.push_back(std::move(step));
  return finish(std::move(slice));
}

void Parser::parse_argument(CallArguments& arguments, const Token& open) {
  const auto ensure = [&](bool valid) {
    if (!valid) fail_at("invalid syntax for function call expression", open);
  };
  if (current().is_op("*")) {
    ensure(!arguments.dynamic_positional && !arguments.dynamic_keywords);
    next();
    arguments.dynamic_positional = parse_expression();
  } else if (current().is_op("**")) {
    ensure(!arguments.dynamic_keywords);
    next();
    arguments.dynamic_keywords = parse_expression();
  } else if (current().kind == TokenKind::name && look_ahead().is_op("=")) {
    ensure(!arguments.dynamic_keywords);
    const Token name = next();
    next();
    for (const KeywordArgument& other : arguments.keywords)
      if (other.name == name.text) fail_at("keyword argument repeated: " + name.text, name);
    arguments.keywords.push_back({name.text, parse_expression()});
  } else {
    ensure(!arguments.dynamic_positional && !arguments.dynamic_keywords &&
           arguments.keywords.empty());
    arguments.positional.push_back(parse_expression());
  }
}

std::unique_ptr<CallArguments> Parser::parse_arguments() {
  const Nesting nesting(*this);
  const Token open = expect_op("(");
  auto arguments = std::make_unique<CallArguments>();
  bool require_comma = false;
  while (!current().is_op(")")) {
    if (require_comma) {
      expect_op(",");
      if (current().is_op(")")) break;
    }
    parse_argument(*arguments, open);
    require_comma = true;
  }
  expect_op(")");
  return arguments;
}

ExpressionPtr Parser::parse_call(ExpressionPtr node) {
  ExpressionPtr call = make(ExpressionKind::call, current());
  call->operands.push_back(std::move(node));
  call->arguments = parse_arguments();
  return finish(std::move(call));
}

std::string Parser::parse_dotted_name() {
  std::string name = expect(TokenKind::name).text;
  while (skip_op(".")) name += "." + expect(TokenKind::name).text;
  return name;
}

ExpressionPtr Parser::parse_filter_chain(ExpressionPtr node, bool starts_inline) {
  while (starts_inline || current().is_op("|")) {
    if (!starts_inline) next();
    starts_inline = false;
    ExpressionPtr filter = make(ExpressionKind::filter, current());
    filter->name = parse_dotted_name();
    filter->operands.push_back(std::move(node));
    filter->arguments =
        current().is_op("(") ? parse_arguments() : std::make_unique<CallArguments>();
    node = finish(std::move(filter));
  }
  return node;
}

ExpressionPtr Parser::parse_test(ExpressionPtr node) {
  const Token token = next();
  const bool negated = skip_name("not");
  ExpressionPtr test = make(ExpressionKind::test, token);
  test->name = parse_dotted_name();
  test->operands.push_back(std::move(node));
  test->arguments = std::make_unique<CallArguments>();
  const Token& after = current();
  const bool starts_value = after.kind == TokenKind::name || after.kind == TokenKind::string ||
                            after.kind == TokenKind::integer || after.kind == TokenKind::real ||
                            after.is_op("[") || after.is_op("{");
  if (after.is_op("(")) {
    test->arguments = parse_arguments();
  } else if (starts_value && !after.is_name("else") && !after.is_name("or") &&
             !after.is_name("and")) {
    if (after.is_name("is")) fail("You cannot chain multiple tests with is");
    test->arguments->positional.push_back(parse_postfix(parse_primary()));
  }
  test = finish(std::move(test));
  if (!negated) return test;
  ExpressionPtr result = make(ExpressionKind::logical_not, token);
  result->operands.push_back(std::move(test));
  return finish(std::move(result));
}

}  // namespace fg::text::jinja
