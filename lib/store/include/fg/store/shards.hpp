#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fg/store/tensor_file.hpp>

namespace fg::store {

enum class WeightFormat : std::uint8_t { safetensors, torch_bin, hdf5 };

/// "safetensors", "bin", "hdf5": as options spell them.
std::string_view name_of(WeightFormat format);
/// "model.safetensors", "pytorch_model.bin", "model.h5": the one file of a model that is not cut.
std::string single_file_name(WeightFormat format);
/// "model-00001-of-00003.safetensors"; `number` begins with 1.
std::string shard_file_name(WeightFormat format, std::size_t number, std::size_t count);
/// "model.safetensors.index.json".
std::string index_file_name(WeightFormat format);

/// open_safetensors, open_torch_bin or open_hdf5.
std::unique_ptr<TensorFileReader> open_weight_file(WeightFormat format,
                                                   const std::filesystem::path& path);
/// create_safetensors, create_torch_bin or create_hdf5.
std::unique_ptr<TensorFileWriter> create_weight_file(WeightFormat format,
                                                     const std::filesystem::path& path,
                                                     std::vector<TensorInfo> tensors);

struct Shard {
  std::string file;
  std::vector<std::size_t> tensors;  // indexes into what plan_shards was given
};

/// Cuts a model into files as Hugging Face does: in order, a tensor begins a new file where it
/// would take the current one past `max_bytes`; one that is larger than that has a file to itself.
/// A single file has the name without number. Never empty.
std::vector<Shard> plan_shards(std::span<const TensorInfo> tensors, std::uint64_t max_bytes,
                               WeightFormat format);

/// The text of the index: byte for byte what Hugging Face writes for these shards.
std::string index_json(std::span<const TensorInfo> tensors, std::span<const Shard> shards);

}  // namespace fg::store
