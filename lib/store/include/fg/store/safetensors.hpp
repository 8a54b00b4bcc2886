#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fg/store/tensor_file.hpp>

namespace fg::store {

/// Maps a file and checks all that its header says: length at most 100 MB and inside the file, JSON
/// of the one form without duplicate keys, known dtypes, sizes that agree with the offsets, tensors
/// that follow each other without hole or overlap up to the file's last byte, at most 8 dimensions,
/// names of at most 1,024 bytes, at most 100,000 tensors. Dtypes other than ours (F8_E4M3, U16,
/// ...) are refused by name. `tensors()` is in the order of the data.
std::unique_ptr<TensorFileReader> open_safetensors(const std::filesystem::path& path);

/// A new file, byte for byte as the reference package would write the same tensors. Its space is
/// reserved at once. `path` must not exist.
std::unique_ptr<TensorFileWriter> create_safetensors(
    const std::filesystem::path& path, std::vector<TensorInfo> tensors,
    const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace fg::store
