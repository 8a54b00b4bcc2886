#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <fg/store/shards.hpp>
#include <fg/store/tensor_file.hpp>

namespace fg::store {

/// All tensors of a model folder, whatever files they lie in.
///
/// Which files: the first complete set of model.safetensors.index.json, model.safetensors,
/// model-N-of-M.safetensors without index, then the same for pytorch_model.bin, then for model.h5,
/// then the model-rN.h5 of a checkpoint, whose slice table (fg/store/slices.hpp) is in its
/// manifest. If a set before it has missing shards, `notes` says so; if no set is complete, the
/// error names the first missing file. An index must name exactly the tensors that are in its
/// files, each once, and total_size, where given, must be their bytes (tensors of one storage may
/// count once). An HDF5 file is opened only if the folder's manifest.json lists it with its hash.
///
/// Opening reads every file's header once. Afterwards files are opened as they are read and at most
/// four are open at any time. Not thread-safe. Errors are Error(cannot_load).
class ModelWeights {
public:
  explicit ModelWeights(const std::filesystem::path& folder);
  ModelWeights(ModelWeights&&) noexcept;
  ModelWeights& operator=(ModelWeights&&) noexcept;
  ~ModelWeights();

  /// By file name, then in the file's own order; of a checkpoint in the slice table's order.
  std::span<const TensorInfo> tensors() const;
  std::optional<std::size_t> find(std::string_view tensor) const;
  WeightFormat format() const;
  /// Plain names, sorted.
  std::span<const std::string> files() const;
  /// Of a tensor in slices: the file with its first rows.
  const std::string& file_of(std::size_t tensor) const;
  /// Sentences for the user about what was taken and why.
  std::span<const std::string> notes() const;

  /// Copies bytes [offset, offset + out.size()) of the tensor.
  void read(std::size_t tensor, std::uint64_t offset, std::span<std::byte> out);

private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace fg::store
