#pragma once

#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <fg/store/tensor_file.hpp>

namespace fg::store {

inline std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

/// Different in every place and for every `seed`.
inline std::vector<std::byte> numbered_bytes(std::uint64_t count, unsigned seed = 0) {
  std::vector<std::byte> bytes(count);
  for (std::uint64_t index = 0; index < count; ++index)
    bytes[index] = static_cast<std::byte>((index * 31 + seed * 7 + (index >> 8)) & 0xff);
  return bytes;
}

inline std::vector<std::byte> read_whole(TensorFileReader& reader, std::size_t index) {
  std::vector<std::byte> bytes(byte_count(reader.tensors()[index]));
  reader.read(index, 0, bytes);
  return bytes;
}

/// Writes numbered_bytes(size, index) into each tensor and finishes.
inline void write_numbered(TensorFileWriter& writer) {
  for (std::size_t index = 0; index < writer.tensors().size(); ++index)
    writer.write(index, 0,
                 numbered_bytes(byte_count(writer.tensors()[index]), static_cast<unsigned>(index)));
  writer.finish();
}

}  // namespace fg::store
