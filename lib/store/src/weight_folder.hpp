#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <fg/store/shards.hpp>

#include "weight_index.hpp"

namespace fg::store {

/// Where a file of a model folder really lies, or nothing where it is not there (also a link that
/// leads nowhere). What is not a regular file is refused, and so is a symbolic link that leaves the
/// folder: whoever made the folder could otherwise have us read any file of the user's. Two kinds
/// of link are followed: to a file inside the folder (a run's latest checkpoint), and from a
/// snapshot of the Hugging Face cache (`X/snapshots/REVISION/`) to the file of the same repository
/// in `X/blobs/`, which is how that cache keeps every file. Who owns a link is not asked: unpacking
/// an archive makes the user the owner of whatever was in it. Error(cannot_load).
std::optional<std::filesystem::path> find_model_file(const std::filesystem::path& folder,
                                                     const std::string& name);

/// What lies in a folder, sorted. Error(cannot_load), also where it is not a folder.
std::vector<std::string> file_names(const std::filesystem::path& folder);

/// One complete or incomplete set of weight files.
struct WeightSet {
  WeightFormat format = WeightFormat::safetensors;
  std::vector<std::string> files;  // sorted
  std::vector<std::string> missing;
  std::optional<WeightIndex> index;
  std::string index_file;  // "" without one
  bool sliced = false;     // a checkpoint: the manifest's slice table says what lies where

  /// "model.safetensors.index.json", or the name of the (first) file.
  const std::string& name() const { return index_file.empty() ? files.front() : index_file; }
};

/// The sets in a folder in the order of preference: for safetensors, `.bin`, HDF5 each the index,
/// the single file, numbered files without index. Error(cannot_load) where an index breaks a rule.
std::vector<WeightSet> find_weight_sets(const std::filesystem::path& folder);

}  // namespace fg::store
