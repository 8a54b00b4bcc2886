#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pickle_values.hpp"
#include "state_dict_pickle.hpp"

namespace fg::store {

/// Runs a pickle up to its STOP. Values live in tables, never in each other, so neither depth nor a
/// circle in the pickle can harm; every table has a limit.
class PickleMachine {
public:
  PickleMachine(std::string_view pickle, const std::string& name) : pickle_(pickle), name_(name) {}

  /// The tensors of the dictionary that the pickle makes.
  PickledStateDict run();

private:
  [[noreturn]] void refuse(const std::string& rule) const;

  // Reading
  std::string_view take(std::uint64_t size);
  template <typename Number>
  Number take_number();
  std::string_view take_line();
  std::int64_t take_long();

  // The stack
  void push(PickleValue value);
  PickleValue pop();
  PickleValue pop(PickleKind kind, const char* what);
  /// `count` values lie on top of the stack, no mark among them.
  void require(std::size_t count, const char* what) const;
  /// Takes the last mark away; returns how many values lay above it.
  std::size_t marked_values();

  // Opcodes
  bool step();  // false at STOP
  bool step_constant(char opcode);
  bool step_container(char opcode);
  bool step_memo(char opcode);
  void start();
  void push_string();
  void push_global();
  void make_tuple(std::size_t count);
  void put(std::uint64_t slot);
  void set_items(std::size_t count);
  void drop_list_items(std::size_t count);
  void load_persistent();
  void reduce();
  void build();

  // What REDUCE may do
  PickleValue new_dict(bool ordered);
  PickleValue rebuild_tensor(std::span<const PickleValue> arguments);
  PickleValue rebuild_parameter(std::span<const PickleValue> arguments);
  void check_inside(const PickledTensor& tensor) const;

  // Values
  std::span<const PickleValue> items_of(PickleValue tuple) const;
  std::string_view text_of(PickleValue string) const;
  std::vector<std::uint64_t> naturals_of(PickleValue value, const char* what);
  std::uint64_t natural_of(PickleValue value, const char* what) const;
  void charge(std::size_t bytes);
  PickledStateDict finish();
  [[noreturn]] void refuse_entry(std::string_view key, PickleValue value) const;

  std::string_view pickle_;
  const std::string& name_;
  std::size_t position_ = 0;
  std::size_t charged_ = 0;
  std::vector<PickleValue> stack_;
  std::vector<std::size_t> marks_;
  std::deque<PickleValue> memo_;
  std::deque<std::string_view> strings_;
  std::deque<PickleTuple> tuples_;
  std::vector<PickleValue> tuple_items_;
  std::deque<PickleDict> dicts_;
  std::vector<PickledStorage> storages_;
  std::unordered_map<std::string_view, std::size_t> storage_keys_;
  std::deque<PickledTensor> tensors_;
};

}  // namespace fg::store
