#include <algorithm>
#include <limits>
#include <unordered_map>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

#include "pickle_machine.hpp"
#include "tensor_list.hpp"

namespace fg::store {
namespace {

bool is_record_key(std::string_view key) {
  return !key.empty() && key.size() <= 10 &&
         std::ranges::all_of(key, [](char digit) { return digit >= '0' && digit <= '9'; });
}

/// offset + sum of (size - 1) * stride, or nothing where it does not fit 63 bits: the last element.
std::optional<std::uint64_t> last_element(const PickledTensor& tensor) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  std::uint64_t last = tensor.offset;
  for (std::size_t axis = 0; axis < tensor.strides.size(); ++axis) {
    const std::uint64_t steps = tensor.info.shape[axis] - 1;
    const std::uint64_t stride = tensor.strides[axis];
    if (steps != 0 && stride > (most - last) / steps) return std::nullopt;
    last += steps * stride;
  }
  return last;
}

}  // namespace

PickleValue PickleMachine::new_dict(bool ordered) {
  charge(sizeof(PickleDict));
  dicts_.push_back({{}, ordered});
  return {PickleKind::dict, static_cast<std::int64_t>(dicts_.size() - 1)};
}

std::span<const PickleValue> PickleMachine::items_of(PickleValue tuple) const {
  const PickleTuple& place = tuples_[static_cast<std::size_t>(tuple.number)];
  return std::span(tuple_items_).subspan(place.begin, place.size);
}

std::string_view PickleMachine::text_of(PickleValue string) const {
  return strings_[static_cast<std::size_t>(string.number)];
}

std::uint64_t PickleMachine::natural_of(PickleValue value, const char* what) const {
  if (value.kind != PickleKind::integer || value.number < 0)
    refuse(std::string("the ") + what + " of a tensor is negative or not an integer");
  return static_cast<std::uint64_t>(value.number);
}

std::vector<std::uint64_t> PickleMachine::naturals_of(PickleValue value, const char* what) {
  if (value.kind != PickleKind::tuple)
    refuse(std::string("the ") + what + " of a tensor is not a tuple");
  const std::span<const PickleValue> items = items_of(value);
  if (items.size() > max_dimensions) refuse("a tensor has more than 8 dimensions");
  std::vector<std::uint64_t> numbers;
  for (const PickleValue item : items) numbers.push_back(natural_of(item, what));
  charge(2 * numbers.size() * sizeof numbers[0]);
  return numbers;
}

/// ('storage', storage class, key, location, number of elements)
void PickleMachine::load_persistent() {
  const std::span<const PickleValue> id = items_of(pop(PickleKind::tuple, "tuple"));
  if (id.size() != 5 || id[0].kind != PickleKind::string || text_of(id[0]) != "storage" ||
      id[1].kind != PickleKind::storage_type || id[2].kind != PickleKind::string ||
      id[3].kind != PickleKind::string || id[4].kind != PickleKind::integer)
    refuse("a persistent id is not ('storage', storage class, key, location, size)");
  if (!is_record_key(text_of(id[2]))) refuse("the key of a storage is not a number");
  if (id[4].number < 0) refuse("a storage has a negative size");
  const PickledStorage storage{static_cast<Dtype>(id[1].number), text_of(id[2]),
                               static_cast<std::uint64_t>(id[4].number)};
  const auto [place, is_new] = storage_keys_.emplace(storage.key, storages_.size());
  if (is_new) {
    charge(4 * sizeof storage);
    storages_.push_back(storage);
  }
  const PickledStorage& known = storages_[place->second];
  if (known.dtype != storage.dtype || known.count != storage.count)
    refuse("storage " + shown(storage.key) + " is described in two ways");
  push({PickleKind::storage, static_cast<std::int64_t>(place->second)});
}

void PickleMachine::reduce() {
  const PickleValue arguments = pop(PickleKind::tuple, "tuple of arguments");
  const PickleValue function = pop();
  const std::span<const PickleValue> items = items_of(arguments);
  switch (function.kind) {
    case PickleKind::ordered_dict_class:
      if (!items.empty()) refuse("OrderedDict is made with arguments");
      return push(new_dict(true));
    case PickleKind::size_class:
      if (items.size() != 1 || items[0].kind != PickleKind::tuple)
        refuse("torch.Size is made of something else than one tuple");
      return push(items[0]);
    case PickleKind::rebuild_tensor:
      return push(rebuild_tensor(items));
    case PickleKind::rebuild_parameter:
      return push(rebuild_parameter(items));
    default:
      refuse("it calls something that is not a function of tensors");
  }
}

/// _rebuild_tensor_v2(storage, offset, size, strides, requires_grad, hooks[, metadata])
PickleValue PickleMachine::rebuild_tensor(std::span<const PickleValue> arguments) {
  const bool fits = (arguments.size() == 6 || arguments.size() == 7) &&
                    arguments[0].kind == PickleKind::storage &&
                    arguments[4].kind == PickleKind::boolean &&
                    arguments[5].kind == PickleKind::dict;
  if (!fits) refuse("_rebuild_tensor_v2 has other arguments than PyTorch gives it");
  if (!dicts_[static_cast<std::size_t>(arguments[5].number)].items.empty())
    refuse("a tensor has backward hooks");
  if (arguments.size() == 7 &&
      (arguments[6].kind != PickleKind::dict ||
       !dicts_[static_cast<std::size_t>(arguments[6].number)].items.empty()))
    refuse("a tensor has metadata (such as a negation that is still to be done)");
  PickledTensor tensor;
  tensor.storage = static_cast<std::size_t>(arguments[0].number);
  tensor.info.dtype = storages_[tensor.storage].dtype;
  tensor.offset = natural_of(arguments[1], "storage offset");
  tensor.info.shape = naturals_of(arguments[2], "size");
  tensor.strides = naturals_of(arguments[3], "stride");
  if (tensor.strides.size() != tensor.info.shape.size())
    refuse("a tensor has another number of strides than of dimensions");
  check_inside(tensor);
  charge(sizeof tensor);
  tensors_.push_back(std::move(tensor));
  return {PickleKind::tensor, static_cast<std::int64_t>(tensors_.size() - 1)};
}

void PickleMachine::check_inside(const PickledTensor& tensor) const {
  const std::uint64_t available = storages_[tensor.storage].count;
  const auto count = element_count(tensor.info.shape);
  if (!count || !checked_byte_count(tensor.info.dtype, tensor.info.shape))
    refuse("the size of a tensor overflows");
  static const bool planted = fault_planted("store.bin_bounds");
  if (planted) return;
  if (tensor.offset > available) refuse("a tensor begins behind the end of its storage");
  if (*count == 0) return;
  const auto last = last_element(tensor);
  if (!last || *last >= available) refuse("a tensor reaches past the end of its storage");
  if (*count > available)
    refuse(
        "a tensor has more elements than its storage (an expanded view); save it with "
        ".contiguous()");
}

/// _rebuild_parameter(tensor, requires_grad, hooks)
PickleValue PickleMachine::rebuild_parameter(std::span<const PickleValue> arguments) {
  if (arguments.size() != 3 || arguments[0].kind != PickleKind::tensor ||
      arguments[1].kind != PickleKind::boolean || arguments[2].kind != PickleKind::dict)
    refuse("_rebuild_parameter has other arguments than PyTorch gives it");
  if (!dicts_[static_cast<std::size_t>(arguments[2].number)].items.empty())
    refuse("a parameter has backward hooks");
  return arguments[0];
}

/// The attributes of an OrderedDict: `_metadata`, the versions of modules.
void PickleMachine::build() {
  pop(PickleKind::dict, "dictionary of attributes");
  require(1, "object");
  const PickleValue target = stack_.back();
  if (target.kind != PickleKind::dict || !dicts_[static_cast<std::size_t>(target.number)].ordered)
    refuse("it sets attributes of something else than an OrderedDict");
}

void PickleMachine::refuse_entry(std::string_view key, PickleValue value) const {
  const std::string begin = name_ + ": entry " + shown(key) + " is ";
  const std::string end =
      "; only a plain state dict (name to tensor) is read. In Python: torch.save(torch.load(old)"
      "[...], new) with the dictionary that holds the tensors";
  fail(ExitCode::cannot_load,
       begin + (value.kind == PickleKind::dict ? "a dictionary" : "not a tensor") + end);
}

PickledStateDict PickleMachine::finish() {
  if (stack_.size() != 1 || stack_.back().kind != PickleKind::dict || !marks_.empty())
    fail(ExitCode::cannot_load, name_ + ": it holds something else than a dictionary of tensors");
  if (position_ != pickle_.size()) refuse("bytes follow its end");
  PickledStateDict result;
  for (const auto& [key, value] : dicts_[static_cast<std::size_t>(stack_.back().number)].items) {
    if (key.kind != PickleKind::string) refuse("a key of the state dict is not a string");
    if (value.kind != PickleKind::tensor) refuse_entry(text_of(key), value);
    PickledTensor tensor = tensors_[static_cast<std::size_t>(value.number)];
    if (text_of(key).size() > max_name_bytes)
      refuse("the name of a tensor is longer than 1024 bytes");
    charge(2 * (sizeof tensor + text_of(key).size()));
    tensor.info.name = text_of(key);
    result.tensors.push_back(std::move(tensor));
  }
  result.storages = std::move(storages_);
  return result;
}

PickledStateDict read_state_dict_pickle(std::string_view pickle, const std::string& name) {
  constexpr std::size_t max_pickle = std::size_t{16} << 20;
  if (pickle.size() > max_pickle)
    fail(ExitCode::cannot_load, name + ": its pickle is longer than 16 MiB");
  return PickleMachine(pickle, name).run();
}

}  // namespace fg::store
