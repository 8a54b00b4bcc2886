#pragma once

#include <string>
#include <vector>

#include "jinja/ast.hpp"
#include "jinja/lexer.hpp"

namespace fg::text::jinja {

inline constexpr int max_parse_depth = 64;  // brackets and blocks inside each other
inline constexpr int max_tree_depth = 250;  // of one expression

/// Parses a template as jinja2 does with the extensions loopcontrols and generation. SyntaxFailure.
Body parse(const std::string& source);

/// Recursive descent over the tokens; the two halves are in parser.cpp (statements) and
/// parse_expression.cpp.
class Parser {
public:
  explicit Parser(std::vector<Token> tokens);
  Body parse_template();

private:
  friend class Nesting;
  struct TupleOptions {
    bool simplified = false;
    bool with_conditional = true;
    bool in_parentheses = false;
    bool with_namespace = false;
  };

  // tokens
  const Token& current() const { return tokens_[at_]; }
  const Token& look_ahead();
  Token next();
  void check_current() const;
  bool skip_op(const char* spelling);
  bool skip_name(const char* name);
  Token expect(TokenKind kind);
  Token expect_op(const char* spelling);
  Token expect_name(const char* name);
  [[noreturn]] void fail(const std::string& message) const { fail_at(message, current()); }
  [[noreturn]] void fail_at(const std::string& message, const Token& token) const;
  [[noreturn]] void fail_unknown_tag(const Token& token) const;
  [[noreturn]] void fail_end() const;
  [[noreturn]] void unexpected(const std::string& wanted) const;
  std::string expected_tags() const;

  // statements
  Body subparse(const std::vector<const char*>& end_tags);
  Body parse_statements(const std::vector<const char*>& end_tags, bool drop_end);
  StatementPtr parse_statement();
  StatementPtr dispatch_statement();
  StatementPtr parse_set();
  StatementPtr parse_for();
  StatementPtr parse_if();
  StatementPtr parse_with();
  StatementPtr parse_print();
  StatementPtr parse_macro();
  StatementPtr parse_call_block();
  StatementPtr parse_filter_block();
  StatementPtr parse_generation();
  void parse_signature(Signature& signature);
  ExpressionPtr parse_target(bool with_namespace = false);
  ExpressionPtr parse_target_name();
  StatementPtr make_statement(StatementKind kind, const Token& token) const;

  // expressions
  ExpressionPtr parse_expression(bool with_conditional = true);
  ExpressionPtr parse_conditional();
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_compare();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concat();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary(bool with_filter = true);
  ExpressionPtr parse_primary(bool with_namespace = false);
  ExpressionPtr parse_name(bool with_namespace);
  ExpressionPtr parse_strings();
  ExpressionPtr parse_tuple(TupleOptions options);
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  ExpressionPtr parse_postfix(ExpressionPtr node);
  ExpressionPtr parse_filters(ExpressionPtr node);
  ExpressionPtr parse_subscript(ExpressionPtr node);
  ExpressionPtr parse_subscribed();
  ExpressionPtr parse_call(ExpressionPtr node);
  ExpressionPtr parse_filter_chain(ExpressionPtr node, bool starts_inline);
  ExpressionPtr parse_test(ExpressionPtr node);
  std::unique_ptr<CallArguments> parse_arguments();
  void parse_argument(CallArguments& arguments, const Token& open);
  std::string parse_dotted_name();
  bool at_tuple_end() const;
  ExpressionPtr make(ExpressionKind kind, const Token& token) const;
  ExpressionPtr make_constant(Value value, const Token& token) const;
  ExpressionPtr finish(ExpressionPtr node) const;
  template <typename Next>
  ExpressionPtr parse_left_chain(Next parse_operand,
                                 const std::vector<std::pair<const char*, BinaryOperator>>& table);

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::vector<std::string> open_tags_;
  std::vector<std::vector<const char*>> end_tags_;
};

/// Bounds how deep the parser calls itself.
class Nesting {
public:
  explicit Nesting(Parser& parser) : parser_(parser) {
    if (++parser_.depth_ > max_parse_depth) {
      --parser_.depth_;
      parser_.fail("the template nests brackets or blocks more than " +
                   std::to_string(max_parse_depth) + " deep");
    }
  }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
  ~Nesting() { --parser_.depth_; }

private:
  Parser& parser_;
};

/// Calls `visit` for each child expression, in jinja2's order of fields.
template <typename Visit>
void for_each_child(const Expression& node, Visit visit) {
  for (const ExpressionPtr& operand : node.operands)
    if (operand) visit(*operand);
  if (!node.arguments) return;
  for (const ExpressionPtr& argument : node.arguments->positional) visit(*argument);
  for (const KeywordArgument& keyword : node.arguments->keywords) visit(*keyword.value);
  if (node.arguments->dynamic_positional) visit(*node.arguments->dynamic_positional);
  if (node.arguments->dynamic_keywords) visit(*node.arguments->dynamic_keywords);
}

}  // namespace fg::text::jinja
