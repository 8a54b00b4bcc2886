#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include <fg/base/file.hpp>
#include <fg/store/tensor_file.hpp>

namespace fg::store {

/// Maps a weight file. A Git LFS pointer, which is what a clone without LFS leaves, is refused with
/// the remedy. Error(cannot_load).
MappedFile map_weights(const std::filesystem::path& path);

/// Error(bug) unless [offset, offset + size) lies in the tensor.
void check_request(const TensorInfo& tensor, std::uint64_t offset, std::uint64_t size);

/// Copies `file`[begin, begin + out.size()) and lets the kernel take the pages back.
void copy_mapped(const MappedFile& file, std::uint64_t begin, std::span<std::byte> out);

}  // namespace fg::store
