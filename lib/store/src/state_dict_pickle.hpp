#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fg/store/tensor_file.hpp>

namespace fg::store {

/// A storage as the pickle names it: record `data/KEY` with `count` elements.
struct PickledStorage {
  Dtype dtype = Dtype::float32;
  std::string_view key;  // decimal digits; points into the pickle
  std::uint64_t count = 0;
};

struct PickledTensor {
  TensorInfo info;
  std::size_t storage = 0;   // index into PickledStateDict::storages
  std::uint64_t offset = 0;  // in elements, as are the strides
  std::vector<std::uint64_t> strides;
};

struct PickledStateDict {
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;  // in the order of the dictionary
};

/// Reads the `data.pkl` of a PyTorch file by a machine that knows 29 of pickle's opcodes and the
/// few names a dictionary of tensors needs; nothing is ever called or imported. Allowed is a dict
/// or OrderedDict from names to tensors or parameters; its attributes (`_metadata`) are passed
/// over. Any other entry is refused. Every tensor lies inside its storage. Memory, stack, memo and
/// marks are bounded. Error(cannot_load) that begins with `name`. Views into `pickle` stay in the
/// result.
PickledStateDict read_state_dict_pickle(std::string_view pickle, const std::string& name);

}  // namespace fg::store
