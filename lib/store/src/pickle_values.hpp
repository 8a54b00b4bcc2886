#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <fg/store/tensor_file.hpp>

namespace fg::store {

/// What a value of the machine is. `number` says the rest: the value itself, or an index into one
/// of the machine's tables.
enum class PickleKind : std::uint8_t {
  mark,
  none,
  boolean,
  integer,
  real,          // passed over, so not kept
  string,        // strings
  tuple,         // tuples
  list,          // contents are checked and dropped: no tensor dictionary needs them
  dict,          // dicts
  storage,       // storages
  tensor,        // tensors
  storage_type,  // Dtype
  dtype,         // a torch dtype, passed over
  ordered_dict_class,
  rebuild_tensor,
  rebuild_parameter,
  size_class,
};

struct PickleValue {
  PickleKind kind = PickleKind::none;
  std::int64_t number = 0;
};

struct PickleDict {
  std::vector<std::pair<PickleValue, PickleValue>> items;
  bool ordered = false;
};

struct PickleTuple {
  std::size_t begin = 0;  // in the table of all tuples' items
  std::size_t size = 0;
};

/// The name a pickle may use for what, or nothing where it may not be used.
std::optional<PickleValue> find_pickle_global(std::string_view module, std::string_view name);

}  // namespace fg::store
