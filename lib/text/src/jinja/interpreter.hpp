#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jinja/ast.hpp"
#include "jinja/budget.hpp"
#include "jinja/make.hpp"
#include "jinja/value.hpp"

namespace fg::text::jinja {

/// The slots of one run of a function.
struct Activation : Cyclic {
  Values slots;
  std::shared_ptr<Activation> parent;
  void release() noexcept override {
    slots.clear();
    parent.reset();
  }
};

struct Macro : Cyclic {
  const Statement* statement = nullptr;
  std::shared_ptr<Activation> closure;
  std::string name;
  void release() noexcept override { closure.reset(); }
};

/// The `loop` of a for statement; walks over the items one ahead where the template asks for it.
struct LoopContext : Cyclic {
  std::shared_ptr<Iterator> source;
  std::optional<std::int64_t> length;
  std::int64_t index0 = -1;
  std::optional<Value> after;  // looked at already, not yet reached
  Value current = Value::missing();
  Value before = Value::missing();
  std::optional<Values> last_changed;
  std::int64_t depth0 = 0;
  const Statement* recursive = nullptr;  // the loop to run again, where it may
  std::shared_ptr<Activation> closure;

  bool advance(Interpreter& run);
  const std::optional<Value>& peek(Interpreter& run);
  std::int64_t count(Interpreter& run);
  void release() noexcept override;
};

using Clock = std::function<std::chrono::system_clock::time_point()>;

struct Place {
  int line = 1;
  int column = 1;
};

/// Runs one template once. The statements are in interpreter.cpp, the expressions in evaluate.cpp,
/// calls in call.cpp.
class Interpreter {
public:
  Interpreter(const Tree& tree, std::shared_ptr<const Dict> variables, const Limits& limits,
              Clock clock);
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;
  ~Interpreter();

  /// Failure; `place` then says where.
  Text render();
  Place place() const;

  Budget& budget() { return budget_; }
  std::chrono::system_clock::time_point now() const { return clock_(); }

  Value string(Text text, bool markup = false) {
    return make_string(budget_, std::move(text), markup);
  }
  Value string(std::string_view bytes) { return make_string(budget_, bytes); }
  Value list(Values items) { return make_list(budget_, std::move(items)); }
  Value tuple(Values items) { return make_tuple(budget_, std::move(items)); }
  Value make_space(std::shared_ptr<Dict> attributes);

  /// Calls a function, method, macro or recursive loop. Failure(type) for what cannot be called.
  Value call(const Value& callee, const Arguments& arguments);

private:
  friend class FilteredItems;
  enum class Flow { next, break_loop, continue_loop };
  class Depth;

  // statements
  Flow execute(const Body& body);
  Flow execute(const Statement& statement);
  void output(const Statement& statement);
  void set(const Statement& statement);
  Flow set_block(const Statement& statement);
  Flow filter_block(const Statement& statement);
  Flow with(const Statement& statement);
  Flow if_else(const Statement& statement);
  void generation(const Statement& statement);
  Flow for_loop(const Statement& statement);
  Flow run_loop(const Statement& statement, const Value& iterable, LoopContext* parent_loop);
  Flow loop_items(const Statement& statement, LoopContext& loop,
                  const std::shared_ptr<LoopContext>& shared, bool& ran);
  void assign(const Expression& target, const Value& value);
  void enter(const ScopePlan& scope);
  void leave(const ScopePlan& scope);
  template <typename Action>
  Flow capture(Text& into, Action action);

  // calls
  Value make_macro(const Statement& statement);
  Value call_macro(const Macro& macro, const Arguments& arguments);
  void bind(const Macro& macro, const Arguments& arguments);
  void bind_rest(const Macro& macro, const Arguments& arguments, std::vector<bool>& used,
                 bool found_caller);
  Value call_loop(LoopContext& loop, const Arguments& arguments);
  Value run_recursive(const Statement& statement, const std::shared_ptr<Activation>& closure,
                      const Value& iterable, std::int64_t depth0);
  std::shared_ptr<Activation> make_activation(const FunctionPlan& plan,
                                              const std::shared_ptr<Activation>& parent);
  void keep(std::shared_ptr<Cyclic> object);
  void drop(const std::shared_ptr<Cyclic>& object);

  // expressions
  Value evaluate(const Expression& node);
  Value evaluate_parts(const Expression& node);
  Value evaluate_name(const Expression& node);
  Value evaluate_dict(const Expression& node);
  Value evaluate_item(const Expression& node);
  Value evaluate_slice(const Expression& node);
  Value evaluate_call(const Expression& node, const Value* caller);
  Value evaluate_filter(const Expression& node);
  Value evaluate_conditional(const Expression& node);
  Value evaluate_concat(const Expression& node);
  Value evaluate_compare(const Expression& node);
  Values evaluate_all(const std::vector<ExpressionPtr>& nodes);
  Arguments evaluate_arguments(const CallArguments& arguments);
  Value& slot(const Slot& slot);
  Value look_up(const std::string& name) const;

  const Tree& tree_;
  std::shared_ptr<const Dict> variables_;
  Budget budget_;
  Clock clock_;
  std::shared_ptr<Activation> activation_;
  Text* out_ = nullptr;
  const Text* filter_body_ = nullptr;  // what a filter block's filter works on
  const Expression* at_expression_ = nullptr;
  const Statement* at_statement_ = nullptr;
  int depth_ = 0;
  int calls_ = 0;
  std::vector<std::shared_ptr<Cyclic>> kept_;
};

}  // namespace fg::text::jinja
