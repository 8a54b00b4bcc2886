#include "pickle_machine.hpp"

#include <cstring>
#include <optional>

#include <fg/base/error.hpp>
#include <fg/base/utf8.hpp>

#include "tensor_list.hpp"

namespace fg::store {
namespace {

constexpr std::size_t max_stack = 1 << 16;
constexpr std::size_t max_marks = 64;
constexpr std::size_t max_memory = std::size_t{32} << 20;
constexpr std::size_t max_line = 256;

std::string hex(char opcode) {
  constexpr std::string_view digits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(opcode);
  return std::string("0x") + digits[byte >> 4] + digits[byte & 15];
}

}  // namespace

void PickleMachine::refuse(const std::string& rule) const {
  fail(ExitCode::cannot_load,
       name_ + ": its pickle is refused at byte " + std::to_string(position_) + ": " + rule);
}

PickledStateDict PickleMachine::run() {
  start();
  while (step()) {
  }
  return finish();
}

void PickleMachine::start() {
  if (pickle_.size() < 2 || pickle_[0] != '\x80') refuse("it does not begin with a protocol");
  if (pickle_[1] != '\x02')
    refuse("protocol " + std::to_string(static_cast<unsigned char>(pickle_[1])) +
           " instead of the 2 that PyTorch writes");
  position_ = 2;
}

std::string_view PickleMachine::take(std::uint64_t size) {
  if (size > pickle_.size() - position_) refuse("it ends inside an instruction");
  const std::string_view bytes = pickle_.substr(position_, size);
  position_ += size;
  return bytes;
}

template <typename Number>
Number PickleMachine::take_number() {
  Number number;
  std::memcpy(&number, take(sizeof number).data(), sizeof number);
  return number;
}

std::string_view PickleMachine::take_line() {
  const std::string_view rest = pickle_.substr(position_, max_line);
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) refuse("a name without end");
  position_ += end + 1;
  return rest.substr(0, end);
}

std::int64_t PickleMachine::take_long() {
  const std::string_view bytes = take(take_number<std::uint8_t>());
  if (bytes.size() > 8) refuse("an integer of more than 64 bits");
  std::uint64_t bits = 0;
  for (std::size_t index = 0; index < bytes.size(); ++index)
    bits |= std::uint64_t{static_cast<unsigned char>(bytes[index])} << (8 * index);
  if (!bytes.empty() && bytes.size() < 8 && (bytes.back() & 0x80) != 0)
    bits |= ~std::uint64_t{0} << (8 * bytes.size());
  return static_cast<std::int64_t>(bits);
}

void PickleMachine::charge(std::size_t bytes) {
  charged_ += bytes;
  if (charged_ > max_memory) refuse("it makes more values than any model needs");
}

void PickleMachine::push(PickleValue value) {
  if (stack_.size() == max_stack) refuse("its stack grows past 65536 values");
  stack_.push_back(value);
}

PickleValue PickleMachine::pop() {
  if (stack_.empty() || stack_.back().kind == PickleKind::mark) refuse("its stack is empty");
  const PickleValue value = stack_.back();
  stack_.pop_back();
  return value;
}

PickleValue PickleMachine::pop(PickleKind kind, const char* what) {
  const PickleValue value = pop();
  if (value.kind != kind) refuse(std::string("there is no ") + what + " where one is needed");
  return value;
}

void PickleMachine::require(std::size_t count, const char* what) const {
  if (stack_.size() < count) refuse(std::string("there is no ") + what + " where one is needed");
  for (std::size_t index = stack_.size() - count; index < stack_.size(); ++index)
    if (stack_[index].kind == PickleKind::mark)
      refuse(std::string("there is no ") + what + " where one is needed");
}

std::size_t PickleMachine::marked_values() {
  if (marks_.empty()) refuse("an instruction lacks its mark");
  const std::size_t mark = marks_.back();
  marks_.pop_back();
  stack_.erase(stack_.begin() + static_cast<std::ptrdiff_t>(mark));
  return stack_.size() - mark;
}

bool PickleMachine::step() {
  const char opcode = take(1).front();
  if (opcode == '.') return false;
  if (!step_constant(opcode) && !step_container(opcode) && !step_memo(opcode))
    refuse("instruction " + hex(opcode) + " is not one that a tensor file needs");
  return true;
}

bool PickleMachine::step_constant(char opcode) {
  const auto integer = [&](std::int64_t number) { push({PickleKind::integer, number}); };
  switch (opcode) {
    case 'N':
      push({PickleKind::none, 0});
      return true;
    case '\x88':
      push({PickleKind::boolean, 1});
      return true;
    case '\x89':
      push({PickleKind::boolean, 0});
      return true;
    case 'J':
      integer(take_number<std::int32_t>());
      return true;
    case 'K':
      integer(take_number<std::uint8_t>());
      return true;
    case 'M':
      integer(take_number<std::uint16_t>());
      return true;
    case '\x8a':
      integer(take_long());
      return true;
    case 'G':
      take(8);
      push({PickleKind::real, 0});
      return true;
    case 'X':
      push_string();
      return true;
    case 'c':
      push_global();
      return true;
    default:
      return false;
  }
}

bool PickleMachine::step_container(char opcode) {
  switch (opcode) {
    case '(':
      if (marks_.size() == max_marks) refuse("it is nested deeper than 64 levels");
      marks_.push_back(stack_.size());
      push({PickleKind::mark, 0});
      return true;
    case ')':
      make_tuple(0);
      return true;
    case 't':
      make_tuple(marked_values());
      return true;
    case '\x85':
      make_tuple(1);
      return true;
    case '\x86':
      make_tuple(2);
      return true;
    case '\x87':
      make_tuple(3);
      return true;
    case '}':
      push(new_dict(false));
      return true;
    case ']':
      push({PickleKind::list, 0});
      return true;
    case 's':
      set_items(2);
      return true;
    case 'u':
      set_items(marked_values());
      return true;
    case 'a':
      drop_list_items(1);
      return true;
    case 'e':
      drop_list_items(marked_values());
      return true;
    case 'Q':
      load_persistent();
      return true;
    case 'R':
      reduce();
      return true;
    case 'b':
      build();
      return true;
    default:
      return false;
  }
}

bool PickleMachine::step_memo(char opcode) {
  const auto fetch = [&](std::uint64_t slot) {
    if (slot >= memo_.size()) refuse("it fetches a value that it did not keep");
    push(memo_[slot]);
  };
  switch (opcode) {
    case 'q':
      put(take_number<std::uint8_t>());
      return true;
    case 'r':
      put(take_number<std::uint32_t>());
      return true;
    case 'h':
      fetch(take_number<std::uint8_t>());
      return true;
    case 'j':
      fetch(take_number<std::uint32_t>());
      return true;
    default:
      return false;
  }
}

void PickleMachine::put(std::uint64_t slot) {
  if (stack_.empty() || stack_.back().kind == PickleKind::mark) refuse("its stack is empty");
  // Picklers number what they keep one after the other, so the memo is no larger than the pickle.
  if (slot > memo_.size()) refuse("it leaves a gap in its memo");
  if (slot < memo_.size()) {
    memo_[slot] = stack_.back();
    return;
  }
  charge(sizeof(PickleValue));
  memo_.push_back(stack_.back());
}

void PickleMachine::push_string() {
  const std::string_view text = take(take_number<std::uint32_t>());
  if (find_invalid_utf8(text)) refuse("a string is not valid UTF-8");
  charge(sizeof text);
  strings_.push_back(text);
  push({PickleKind::string, static_cast<std::int64_t>(strings_.size() - 1)});
}

void PickleMachine::push_global() {
  const std::string_view module = take_line();
  const std::string_view name = take_line();
  const std::optional<PickleValue> value = find_pickle_global(module, name);
  if (!value)
    refuse("it asks for " + shown(std::string(module) + "." + std::string(name)) +
           ", which no dictionary of supported tensors needs; nothing was run");
  push(*value);
}

void PickleMachine::make_tuple(std::size_t count) {
  require(count, "value");
  charge(sizeof(PickleTuple) + 2 * count * sizeof(PickleValue));
  tuples_.push_back({tuple_items_.size(), count});
  tuple_items_.insert(tuple_items_.end(), stack_.end() - static_cast<std::ptrdiff_t>(count),
                      stack_.end());
  stack_.resize(stack_.size() - count);
  push({PickleKind::tuple, static_cast<std::int64_t>(tuples_.size() - 1)});
}

void PickleMachine::set_items(std::size_t count) {
  require(count + 1, "dictionary");
  if (count % 2 != 0) refuse("a key lacks its value");
  const std::size_t first = stack_.size() - count;
  const PickleValue target = stack_[first - 1];
  if (target.kind != PickleKind::dict) refuse("there is no dictionary where one is needed");
  auto& items = dicts_[static_cast<std::size_t>(target.number)].items;
  charge(2 * (count / 2) * sizeof items[0]);
  for (std::size_t index = first; index < stack_.size(); index += 2)
    items.emplace_back(stack_[index], stack_[index + 1]);
  stack_.resize(first);
}

void PickleMachine::drop_list_items(std::size_t count) {
  require(count + 1, "list");
  const std::size_t first = stack_.size() - count;
  if (stack_[first - 1].kind != PickleKind::list) refuse("there is no list where one is needed");
  stack_.resize(first);
}

}  // namespace fg::store
