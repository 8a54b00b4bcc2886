#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jinja/value.hpp"

namespace fg::text::jinja {

struct Expression;
struct Statement;
using ExpressionPtr = std::unique_ptr<Expression>;
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

enum class ExpressionKind {
  constant,
  data,  // text between the tags
  name,
  space_name,  // target `ns.attribute` of set
  list,
  tuple,
  dict,  // operands: key, value, key, value, ...
  attribute,
  item,
  slice,  // operands: start, stop, step; any may be null
  call,
  filter,  // operand null: the body of a filter block
  test,
  conditional,  // operands: test, then, else or null
  concat,
  compare,  // operands; names[i] between operand i and i + 1
  binary,
  logical_and,
  logical_or,
  logical_not,
  negative,
  positive,
};

enum class BinaryOperator { add, subtract, multiply, divide, floor_divide, modulo, power };
enum class Comparison { equal, unequal, greater, greater_equal, less, less_equal, in, not_in };

enum class NameUse { load, store, parameter };

/// Where a name lives: a slot of the function `hops` levels out.
struct Slot {
  int hops = 0;
  int index = -1;
};

struct KeywordArgument {
  std::string name;
  ExpressionPtr value;
};

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<KeywordArgument> keywords;
  ExpressionPtr dynamic_positional;  // *value
  ExpressionPtr dynamic_keywords;    // **value
};

struct Expression {
  ExpressionKind kind;
  int line = 1;
  int column = 1;
  int depth = 1;
  std::string name;       // of a name, attribute, filter, test; variable of a space_name
  std::string attribute;  // of a space_name
  Value value;            // of a constant, data; attribute name as a value
  NameUse use = NameUse::load;
  Slot slot;
  BinaryOperator binary = BinaryOperator::add;
  std::vector<Comparison> comparisons;
  std::vector<ExpressionPtr> operands;
  std::unique_ptr<CallArguments> arguments;
};

/// What happens to one slot when a scope is entered.
struct Load {
  enum class Action { resolve, alias, missing };
  Action action;
  int index;
  std::string name;  // resolve: looked up among the variables of the rendering
  Slot source;       // alias
};

/// The slots of one scope: loaded on entering, emptied on leaving.
struct ScopePlan {
  std::vector<Load> loads;
  std::vector<int> owned;
};

/// A macro, a call block, a recursive loop or a loop's filter: code with slots of its own.
struct FunctionPlan {
  int slots = 0;
};

enum class StatementKind {
  output,
  set,
  set_block,
  for_loop,
  if_else,
  macro,
  call_block,
  generation,
  filter_block,
  with,
  break_loop,
  continue_loop,
};

struct Parameter {
  ExpressionPtr name;
  int slot = -1;
};

/// How a macro or call block takes its arguments.
struct Signature {
  std::vector<Parameter> parameters;
  std::vector<ExpressionPtr> defaults;  // of the last parameters
  int caller_slot = -1;
  int keywords_slot = -1;
  int varargs_slot = -1;
  bool explicit_caller = false;
};

struct Statement {
  StatementKind kind;
  int line = 1;
  int column = 1;
  std::string name;                        // macro
  Slot slot;                               // macro: where it is stored
  std::vector<ExpressionPtr> expressions;  // output; with: values; set: value; if: test; call: call
  std::vector<ExpressionPtr> targets;  // set, for, with; of a filtered for also its filter's copy
  ExpressionPtr iterable;              // for
  ExpressionPtr condition;             // for: its filter
  ExpressionPtr filter;                // set_block, filter_block
  Body body;
  Body otherwise;
  std::vector<StatementPtr> elifs;  // each an if_else
  bool recursive = false;
  int loop_slot = -1;  // for: where the loop object goes, if its body asks for one
  std::unique_ptr<Signature> signature;
  ScopePlan scope;            // of the body
  ScopePlan otherwise_scope;  // of a loop's else
  ScopePlan condition_scope;
  FunctionPlan function;            // macro, call block, recursive loop
  FunctionPlan condition_function;  // a loop's filter runs in its own
};

/// A parsed and resolved template; read only, shared by any number of renderings.
struct Tree {
  Body body;
  ScopePlan scope;
  FunctionPlan function;
};

}  // namespace fg::text::jinja
