#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <fg/store/tensor_file.hpp>

namespace fg::store {

/// The longest header that the reference package reads.
inline constexpr std::uint64_t max_safetensors_header = 100'000'000;

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;     // in the order of their data
  std::vector<std::uint64_t> offsets;  // where each begins in the file
};

/// Reads and checks the header of a whole file. Error(cannot_load) that begins with `name` and says
/// which rule is broken.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::string& name);

struct SafetensorsLayout {
  std::string header;                  // length, JSON and padding: the file's first bytes
  std::vector<std::uint64_t> offsets;  // where each tensor begins, in the order given
  std::uint64_t size = 0;              // of the whole file
};

/// As the reference package lays a file out: wide types first, then by name, so that every tensor
/// is aligned to its element; JSON padded by spaces to 8 bytes.
SafetensorsLayout lay_out_safetensors(std::span<const TensorInfo> tensors,
                                      const std::map<std::string, std::string>& metadata);

}  // namespace fg::store
