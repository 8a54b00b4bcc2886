#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include <fg/base/file.hpp>
#include <fg/checkpoint/choose.hpp>
#include <fg/checkpoint/save.hpp>
#include <fg/store/hdf5.hpp>
#include <fg/store/manifest.hpp>
#include <fg/store/slices.hpp>

#include "checkpoint_files.hpp"

namespace fg::checkpoint {

inline std::vector<std::byte> counted_bytes(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i * 37 + i / 256);
  return bytes;
}

inline void write_h5(const std::filesystem::path& file, const store::TensorInfo& tensor) {
  const auto writer = store::create_hdf5(file, {tensor});
  writer->write(0, 0, counted_bytes(store::byte_count(tensor)));
  writer->finish();
}

/// A checkpoint as one rank saves it, made without ranks: a weight of 500 × 8 bytes and a state of
/// 300 bytes.
inline std::filesystem::path make_checkpoint(const std::filesystem::path& checkpoints,
                                             std::uint64_t step,
                                             std::optional<double> metric = std::nullopt) {
  using store::Dtype;
  const std::filesystem::path folder = checkpoints / name_of_step(step);
  std::filesystem::create_directories(folder);
  const store::TensorInfo weight{"w", Dtype::bfloat16, {500, 4}};
  const store::TensorInfo state{"w.exp_avg", Dtype::uint8, {300}};
  write_h5(folder / model_file_name(0), weight);
  write_h5(folder / optimizer_file_name(0), state);
  write_synced(folder / trainer_name, trainer_text({{"tokens", 5}}, step));
  write_synced(folder / "config.json", "{}\n");
  store::Manifest manifest;
  put_info({step, 1, metric}, manifest);
  store::put_slices(
      {{{weight, {{0, 500, model_file_name(0)}}}}, {{state, {{0, 300, optimizer_file_name(0)}}}}},
      manifest);
  store::write_manifest(folder, std::move(manifest));
  return folder;
}

}  // namespace fg::checkpoint
