#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fg/store/manifest.hpp>
#include <fg/store/tensor_file.hpp>

namespace fg::store {

/// What a tensor of a checkpoint is for. A weight and a piece of optimizer state may share a name.
enum class TensorUse : std::uint8_t { weights, optimizer };

/// "weights", "optimizer".
std::string_view name_of(TensorUse use);

/// Rows [first_row, first_row + rows) of a logical tensor. They lie in `file` as one tensor under
/// the logical name, so a file holds at most one slice of a tensor.
struct Slice {
  std::uint64_t first_row = 0;
  std::uint64_t rows = 0;
  std::string file;  // a plain name of the same folder

  friend bool operator==(const Slice&, const Slice&) = default;
};

/// A logical tensor and where its rows are: by first row, each row in exactly one slice.
struct SlicedTensor {
  TensorInfo info;  // of the whole
  std::vector<Slice> slices;

  friend bool operator==(const SlicedTensor&, const SlicedTensor&) = default;
};

/// The slice table of a checkpoint, in the order the writer gave.
struct SliceTable {
  std::vector<SlicedTensor> weights;
  std::vector<SlicedTensor> optimizer;

  std::vector<SlicedTensor>& of(TensorUse use) {
    return use == TensorUse::weights ? weights : optimizer;
  }
  const std::vector<SlicedTensor>& of(TensorUse use) const {
    return use == TensorUse::weights ? weights : optimizer;
  }
  friend bool operator==(const SliceTable&, const SliceTable&) = default;
};

/// Rows are counted along the first dimension; a tensor without dimensions has one.
std::uint64_t row_count(std::span<const std::uint64_t> shape);
/// The shape with so many rows instead.
std::vector<std::uint64_t> with_rows(std::vector<std::uint64_t> shape, std::uint64_t rows);

/// Sorts each tensor's slices and checks them: names and sizes within the limits of every format,
/// no name twice under one use, each row in exactly one slice, one slice of a tensor a file. `name`
/// begins every message. Error(code).
void check_slices(SliceTable& table, const std::string& name, ExitCode code);

/// Adds the table to what the manifest says beside its files; `check_slices` has passed.
void put_slices(const SliceTable& table, Manifest& manifest);
/// True for the manifest of a checkpoint.
bool has_slices(const Manifest& manifest);
/// The table, with every rule checked. Error(cannot_load) that begins with `name`.
SliceTable slices_of(const Manifest& manifest, const std::string& name);

/// A folder that holds files of a checkpoint.
struct SliceFolder {
  std::filesystem::path path;
  Manifest manifest;
  bool verified = false;  // its files were compared with the manifest before
};

/// Reads logical tensors across the files of a checkpoint: usually of one folder, of several where
/// each node kept its own. A file is compared with its manifest's hash before it is opened (which
/// reads it), unless its folder was verified; then its tensors with the table. At most four files
/// are open. Not thread-safe. Errors are Error(cannot_load).
class SliceReader {
public:
  /// The folders' tables must be equal. Files are opened as they are needed.
  explicit SliceReader(std::vector<SliceFolder> folders);
  SliceReader(SliceReader&&) noexcept;
  SliceReader& operator=(SliceReader&&) noexcept;
  ~SliceReader();

  const SliceTable& table() const;
  std::optional<std::size_t> find(TensorUse use, std::string_view tensor) const;
  /// True if one of the folders' manifests lists the file.
  bool has_file(const std::string& file) const;
  /// Copies bytes [offset, offset + out.size()) of the whole tensor. A file that lies in none of
  /// the folders is an error only when it is needed.
  void read(TensorUse use, std::size_t tensor, std::uint64_t offset, std::span<std::byte> out);
  /// Opens every file with slices of this use once, so that what is wrong shows now.
  void open_all(TensorUse use);

private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace fg::store
