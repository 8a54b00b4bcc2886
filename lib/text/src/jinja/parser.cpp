#include "jinja/parser.hpp"

#include <algorithm>
#include <array>

#include "jinja/make.hpp"

namespace fg::text::jinja {
namespace {

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::data:
      return "template data / text";
    case TokenKind::variable_begin:
      return "begin of print statement";
    case TokenKind::variable_end:
      return "end of print statement";
    case TokenKind::block_begin:
      return "begin of statement block";
    case TokenKind::block_end:
      return "end of statement block";
    case TokenKind::name:
    case TokenKind::op:
      return token.text;
    case TokenKind::string:
      return "string";
    case TokenKind::integer:
      return "integer";
    case TokenKind::real:
      return "float";
    case TokenKind::end:
      return "end of template";
    case TokenKind::error:
      return "error";
  }
  return "";
}

bool is_one_of(const Token& token, const std::vector<const char*>& names) {
  return token.kind == TokenKind::name &&
         std::any_of(names.begin(), names.end(),
                     [&](const char* name) { return token.text == name; });
}

}  // namespace

Body parse(const std::string& source) {
  return Parser(tokenize(source)).parse_template();
}

Parser::Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

Body Parser::parse_template() {
  check_current();
  return subparse({});
}

void Parser::check_current() const {
  const Token& token = current();
  if (token.kind == TokenKind::error) throw SyntaxFailure(token.text, token.line, token.column);
}

Token Parser::next() {
  Token token = current();
  if (at_ + 1 < tokens_.size()) ++at_;
  check_current();
  return token;
}

const Token& Parser::look_ahead() {
  if (at_ + 1 >= tokens_.size()) return current();
  const Token& token = tokens_[at_ + 1];
  if (token.kind == TokenKind::error) throw SyntaxFailure(token.text, token.line, token.column);
  return token;
}

bool Parser::skip_op(const char* spelling) {
  if (!current().is_op(spelling)) return false;
  next();
  return true;
}

bool Parser::skip_name(const char* name) {
  if (!current().is_name(name)) return false;
  next();
  return true;
}

void Parser::unexpected(const std::string& wanted) const {
  if (current().kind == TokenKind::end)
    fail("unexpected end of template, expected '" + wanted + "'.");
  fail("expected token '" + wanted + "', got '" + describe(current()) + "'");
}

Token Parser::expect(TokenKind kind) {
  if (current().kind != kind) {
    Token wanted;
    wanted.kind = kind;
    wanted.text = "name";
    unexpected(describe(wanted));
  }
  return next();
}

Token Parser::expect_op(const char* spelling) {
  if (!current().is_op(spelling)) unexpected(spelling);
  return next();
}

Token Parser::expect_name(const char* name) {
  if (!current().is_name(name)) unexpected(name);
  return next();
}

void Parser::fail_at(const std::string& message, const Token& token) const {
  throw SyntaxFailure(message, token.line, token.column);
}

std::string Parser::expected_tags() const {
  std::string message;
  if (!end_tags_.empty() && !end_tags_.back().empty()) {
    message += " Jinja was looking for the following tags: ";
    for (std::size_t i = 0; i < end_tags_.back().size(); ++i)
      message += (i == 0 ? "'" : " or '") + std::string(end_tags_.back()[i]) + "'";
    message += ".";
  }
  if (!open_tags_.empty())
    message += " The innermost block that needs to be closed is '" + open_tags_.back() + "'.";
  return message;
}

void Parser::fail_unknown_tag(const Token& token) const {
  fail_at("Encountered unknown tag '" + token.text + "'." + expected_tags(), token);
}

void Parser::fail_end() const {
  fail("Unexpected end of template." + expected_tags());
}

StatementPtr Parser::make_statement(StatementKind kind, const Token& token) const {
  auto statement = std::make_unique<Statement>();
  statement->kind = kind;
  statement->line = token.line;
  statement->column = token.column;
  return statement;
}

Body Parser::subparse(const std::vector<const char*>& end_tags) {
  const Nesting nesting(*this);
  Body body;
  StatementPtr output;
  const auto add = [&](ExpressionPtr node, const Token& token) {
    if (!output) output = make_statement(StatementKind::output, token);
    output->expressions.push_back(std::move(node));
  };
  const auto flush = [&] {
    if (output) body.push_back(std::move(output));
  };
  while (current().kind != TokenKind::end) {
    const Token token = current();
    if (token.kind == TokenKind::data) {
      ExpressionPtr data = make(ExpressionKind::data, token);
      data->value = make_constant_string(token.text);
      add(std::move(data), token);
      next();
    } else if (token.kind == TokenKind::variable_begin) {
      next();
      add(parse_tuple({}), token);
      expect(TokenKind::variable_end);
    } else {
      flush();
      next();
      if (is_one_of(current(), end_tags)) return body;
      body.push_back(parse_statement());
      expect(TokenKind::block_end);
    }
  }
  flush();
  return body;
}

Body Parser::parse_statements(const std::vector<const char*>& end_tags, bool drop_end) {
  skip_op(":");
  expect(TokenKind::block_end);
  end_tags_.push_back(end_tags);
  Body body = subparse(end_tags);
  if (current().kind == TokenKind::end) fail_end();
  end_tags_.pop_back();
  if (drop_end) next();
  return body;
}

StatementPtr Parser::parse_statement() {
  const Token token = current();
  if (token.kind != TokenKind::name) fail("tag name expected");
  static constexpr std::array refused = {"block",  "extends", "include",
                                         "import", "from",    "autoescape"};
  for (const char* name : refused)
    if (token.text == name)
      fail("the tag '" + token.text +
           "' is not supported in a chat template: it has no other templates "
           "to work with");
  open_tags_.push_back(token.text);
  StatementPtr statement = dispatch_statement();
  open_tags_.pop_back();
  return statement;
}

StatementPtr Parser::dispatch_statement() {
  const std::string tag = current().text;
  if (tag == "for") return parse_for();
  if (tag == "if") return parse_if();
  if (tag == "set") return parse_set();
  if (tag == "macro") return parse_macro();
  if (tag == "call") return parse_call_block();
  if (tag == "filter") return parse_filter_block();
  if (tag == "with") return parse_with();
  if (tag == "print") return parse_print();
  if (tag == "generation") return parse_generation();
  if (tag == "break") return make_statement(StatementKind::break_loop, next());
  if (tag == "continue") return make_statement(StatementKind::continue_loop, next());
  open_tags_.pop_back();
  fail_unknown_tag(current());
}

StatementPtr Parser::parse_set() {
  StatementPtr statement = make_statement(StatementKind::set, next());
  statement->targets.push_back(parse_target(true));
  if (skip_op("=")) {
    statement->expressions.push_back(parse_tuple({}));
    return statement;
  }
  statement->kind = StatementKind::set_block;
  statement->filter = parse_filter_chain(nullptr, false);
  statement->body = parse_statements({"endset"}, true);
  return statement;
}

StatementPtr Parser::parse_for() {
  StatementPtr statement = make_statement(StatementKind::for_loop, next());
  statement->targets.push_back(parse_target());
  expect_name("in");
  statement->iterable = parse_tuple({.with_conditional = false});
  if (skip_name("if")) statement->condition = parse_expression();
  statement->recursive = skip_name("recursive");
  statement->body = parse_statements({"endfor", "else"}, false);
  if (next().text != "endfor") statement->otherwise = parse_statements({"endfor"}, true);
  return statement;
}

StatementPtr Parser::parse_if() {
  StatementPtr result = make_statement(StatementKind::if_else, next());
  Statement* node = result.get();
  while (true) {
    node->expressions.push_back(parse_tuple({.with_conditional = false}));
    node->body = parse_statements({"elif", "else", "endif"}, false);
    const Token token = next();
    if (token.is_name("elif")) {
      result->elifs.push_back(make_statement(StatementKind::if_else, current()));
      node = result->elifs.back().get();
      continue;
    }
    if (token.is_name("else")) result->otherwise = parse_statements({"endif"}, true);
    return result;
  }
}

StatementPtr Parser::parse_with() {
  StatementPtr statement = make_statement(StatementKind::with, next());
  while (current().kind != TokenKind::block_end) {
    if (!statement->targets.empty()) expect_op(",");
    ExpressionPtr target = parse_target();
    const auto set_parameter = [](auto&& self, Expression& node) -> void {
      node.use = NameUse::parameter;
      for_each_child(node, [&](Expression& child) { self(self, child); });
    };
    set_parameter(set_parameter, *target);
    statement->targets.push_back(std::move(target));
    expect_op("=");
    statement->expressions.push_back(parse_expression());
  }
  statement->body = parse_statements({"endwith"}, true);
  return statement;
}

StatementPtr Parser::parse_print() {
  StatementPtr statement = make_statement(StatementKind::output, next());
  while (current().kind != TokenKind::block_end) {
    if (!statement->expressions.empty()) expect_op(",");
    statement->expressions.push_back(parse_expression());
  }
  return statement;
}

void Parser::parse_signature(Signature& signature) {
  expect_op("(");
  while (!current().is_op(")")) {
    if (!signature.parameters.empty()) expect_op(",");
    const Token token = current();
    Parameter parameter{parse_target_name(), -1};
    parameter.name->use = NameUse::parameter;
    for (const Parameter& other : signature.parameters)
      if (other.name->name == parameter.name->name)
        fail_at("duplicate argument '" + other.name->name + "' in macro definition", token);
    if (skip_op("="))
      signature.defaults.push_back(parse_expression());
    else if (!signature.defaults.empty())
      fail("non-default argument follows default argument");
    signature.parameters.push_back(std::move(parameter));
  }
  expect_op(")");
}

StatementPtr Parser::parse_macro() {
  StatementPtr statement = make_statement(StatementKind::macro, next());
  statement->name = parse_target_name()->name;
  statement->signature = std::make_unique<Signature>();
  parse_signature(*statement->signature);
  statement->body = parse_statements({"endmacro"}, true);
  return statement;
}

StatementPtr Parser::parse_call_block() {
  const Token token = next();
  StatementPtr statement = make_statement(StatementKind::call_block, token);
  statement->signature = std::make_unique<Signature>();
  if (current().is_op("(")) parse_signature(*statement->signature);
  statement->expressions.push_back(parse_expression());
  if (statement->expressions[0]->kind != ExpressionKind::call) fail_at("expected call", token);
  statement->body = parse_statements({"endcall"}, true);
  return statement;
}

StatementPtr Parser::parse_filter_block() {
  StatementPtr statement = make_statement(StatementKind::filter_block, next());
  statement->filter = parse_filter_chain(nullptr, true);
  statement->body = parse_statements({"endfilter"}, true);
  return statement;
}

StatementPtr Parser::parse_generation() {
  StatementPtr statement = make_statement(StatementKind::generation, next());
  statement->signature = std::make_unique<Signature>();
  statement->body = parse_statements({"endgeneration"}, true);
  return statement;
}

ExpressionPtr Parser::parse_target_name() {
  const Token token = expect(TokenKind::name);
  static constexpr std::array constants = {"true", "false", "none", "True", "False", "None"};
  for (const char* constant : constants)
    if (token.text == constant) fail_at("can't assign to 'name'", token);
  ExpressionPtr node = make(ExpressionKind::name, token);
  node->name = token.text;
  node->use = NameUse::store;
  return node;
}

ExpressionPtr Parser::parse_target(bool with_namespace) {
  const Token token = current();
  ExpressionPtr target = parse_tuple({.simplified = true, .with_namespace = with_namespace});
  const auto check = [&](auto&& self, Expression& node) -> void {
    const bool assignable = node.kind == ExpressionKind::name ||
                            node.kind == ExpressionKind::tuple ||
                            node.kind == ExpressionKind::space_name;
    if (!assignable)
      throw SyntaxFailure("can't assign to this expression", target->line, token.column);
    node.use = NameUse::store;
    for_each_child(node, [&](Expression& child) { self(self, child); });
  };
  check(check, *target);
  return target;
}

}  // namespace fg::text::jinja
