#include <cstdio>
#include <map>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/base/json.hpp>
#include <fg/store/hdf5.hpp>
#include <fg/store/safetensors.hpp>
#include <fg/store/shards.hpp>
#include <fg/store/torch_bin.hpp>

namespace fg::store {
namespace {

struct FormatNames {
  std::string_view option;
  std::string_view stem;
  std::string_view suffix;
};

const FormatNames& names_of(WeightFormat format) {
  static constexpr FormatNames safetensors = {"safetensors", "model", ".safetensors"};
  static constexpr FormatNames torch_bin = {"bin", "pytorch_model", ".bin"};
  static constexpr FormatNames hdf5 = {"hdf5", "model", ".h5"};
  switch (format) {
    case WeightFormat::safetensors:
      return safetensors;
    case WeightFormat::torch_bin:
      return torch_bin;
    case WeightFormat::hdf5:
      return hdf5;
  }
  check_failed("a known format", __FILE__, __LINE__);
}

}  // namespace

std::string_view name_of(WeightFormat format) {
  return names_of(format).option;
}

std::string single_file_name(WeightFormat format) {
  const FormatNames& names = names_of(format);
  return std::string(names.stem).append(names.suffix);
}

std::string shard_file_name(WeightFormat format, std::size_t number, std::size_t count) {
  char text[64];
  std::snprintf(text, sizeof text, "-%05zu-of-%05zu", number, count);
  const FormatNames& names = names_of(format);
  return std::string(names.stem).append(text).append(names.suffix);
}

std::string index_file_name(WeightFormat format) {
  return single_file_name(format) + ".index.json";
}

std::unique_ptr<TensorFileReader> open_weight_file(WeightFormat format,
                                                   const std::filesystem::path& path) {
  switch (format) {
    case WeightFormat::safetensors:
      return open_safetensors(path);
    case WeightFormat::torch_bin:
      return open_torch_bin(path);
    case WeightFormat::hdf5:
      return open_hdf5(path);
  }
  check_failed("a known format", __FILE__, __LINE__);
}

std::unique_ptr<TensorFileWriter> create_weight_file(WeightFormat format,
                                                     const std::filesystem::path& path,
                                                     std::vector<TensorInfo> tensors) {
  switch (format) {
    case WeightFormat::safetensors:
      return create_safetensors(path, std::move(tensors));
    case WeightFormat::torch_bin:
      return create_torch_bin(path, std::move(tensors));
    case WeightFormat::hdf5:
      return create_hdf5(path, std::move(tensors));
  }
  check_failed("a known format", __FILE__, __LINE__);
}

std::vector<Shard> plan_shards(std::span<const TensorInfo> tensors, std::uint64_t max_bytes,
                               WeightFormat format) {
  std::vector<Shard> shards;
  Shard current;
  std::uint64_t filled = 0;
  for (std::size_t index = 0; index < tensors.size(); ++index) {
    const std::uint64_t bytes = byte_count(tensors[index]);
    if (bytes > max_bytes) {
      shards.push_back({{}, {index}});
      continue;
    }
    if (bytes > max_bytes - filled) {
      shards.push_back(std::exchange(current, {}));
      filled = 0;
    }
    current.tensors.push_back(index);
    filled += bytes;
  }
  if (!current.tensors.empty() || shards.empty()) shards.push_back(std::move(current));
  if (shards.size() == 1) {
    shards.front().file = single_file_name(format);
    return shards;
  }
  for (std::size_t index = 0; index < shards.size(); ++index)
    shards[index].file = shard_file_name(format, index + 1, shards.size());
  return shards;
}

std::string index_json(std::span<const TensorInfo> tensors, std::span<const Shard> shards) {
  std::uint64_t total = 0;
  std::map<std::string_view, std::string_view> files;  // sorted by name, as in Hugging Face's
  for (const Shard& shard : shards) {
    for (const std::size_t index : shard.tensors) {
      total += byte_count(tensors[index]);
      files.emplace(tensors[index].name, shard.file);
    }
  }
  const auto quoted = [](std::string_view text) {
    return Json(text).dump(-1, ' ', /*ensure_ascii=*/true);
  };
  std::string text = "{\n  \"metadata\": {\n    \"total_size\": " + std::to_string(total) +
                     "\n  },\n  \"weight_map\": {";
  const char* separator = "\n";
  for (const auto& [name, file] : files) {
    text.append(separator).append("    ").append(quoted(name)).append(": ").append(quoted(file));
    separator = ",\n";
  }
  return text + (files.empty() ? "}\n}\n" : "\n  }\n}\n");
}

}  // namespace fg::store
