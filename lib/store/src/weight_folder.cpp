#include "weight_folder.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/store/manifest.hpp>
#include <fg/store/slices.hpp>

#include "tensor_list.hpp"

namespace fg::store {
namespace {

namespace fs = std::filesystem;

bool lies_in(const fs::path& target, const fs::path& folder) {
  const auto [end, rest] =
      std::mismatch(folder.begin(), folder.end(), target.begin(), target.end());
  return end == folder.end() && rest != target.end();
}

/// `target` is a blob of the cache repository of which `folder` is a snapshot.
bool is_blob_of_snapshot(const fs::path& target, const fs::path& folder) {
  return folder.parent_path().filename() == "snapshots" &&
         target.parent_path() == folder.parent_path().parent_path() / "blobs";
}

fs::path follow_link(const fs::path& folder, const fs::path& link) {
  std::error_code error;
  const fs::path target = fs::canonical(link, error);
  if (error) return {};
  const fs::path home = fs::canonical(folder, error);
  if (error || (!lies_in(target, home) && !is_blob_of_snapshot(target, home)))
    fail(ExitCode::cannot_load,
         link.string() +
             ": a symbolic link that leaves the model's folder is not followed; copy "
             "the file into the folder, or name the folder that it leads to");
  return target;
}

/// The two numbers of "STEM-00001-of-00003.SUFFIX", or nothing.
std::optional<std::pair<std::size_t, std::size_t>> shard_numbers(WeightFormat format,
                                                                 const std::string& name) {
  const std::string single = single_file_name(format);
  const std::size_t dot = single.rfind('.');
  const std::string stem = single.substr(0, dot) + "-";
  const std::string suffix = single.substr(dot);
  if (!name.starts_with(stem) || !name.ends_with(suffix) ||
      name.size() < stem.size() + suffix.size())
    return std::nullopt;
  const std::string_view middle =
      std::string_view(name).substr(stem.size(), name.size() - stem.size() - suffix.size());
  std::size_t number = 0;
  std::size_t count = 0;
  const char* const end = middle.data() + middle.size();
  const auto first = std::from_chars(middle.data(), end, number);
  if (first.ec != std::errc() || !std::string_view(first.ptr, end).starts_with("-of-"))
    return std::nullopt;
  const auto second = std::from_chars(first.ptr + 4, end, count);
  if (second.ec != std::errc() || second.ptr != end || number == 0 || number > count ||
      count > 99'999 || shard_file_name(format, number, count) != name)
    return std::nullopt;
  return std::pair(number, count);
}

void find_missing(const fs::path& folder, WeightSet& set) {
  for (const std::string& file : set.files)
    if (!find_model_file(folder, file)) set.missing.push_back(file);
}

std::optional<WeightSet> find_indexed(const fs::path& folder, WeightFormat format) {
  const std::string name = index_file_name(format);
  const std::optional<fs::path> path = find_model_file(folder, name);
  if (!path) return std::nullopt;
  const std::string single = single_file_name(format);
  WeightSet set;
  set.format = format;
  set.index_file = name;
  set.index = parse_weight_index(read_text(*path, max_index_bytes),
                                 std::string_view(single).substr(single.rfind('.')),
                                 (folder / name).string());
  set.files = set.index->files;
  if (set.files.empty())
    fail(ExitCode::cannot_load, (folder / name).string() + ": its weight_map is empty");
  find_missing(folder, set);
  return set;
}

std::optional<WeightSet> find_single(const fs::path& folder, WeightFormat format) {
  const std::string name = single_file_name(format);
  if (!find_model_file(folder, name)) return std::nullopt;
  WeightSet set;
  set.format = format;
  set.files = {name};
  return set;
}

std::optional<WeightSet> find_numbered(const fs::path& folder, WeightFormat format) {
  std::set<std::size_t> counts;
  for (const std::string& name : file_names(folder))
    if (const auto numbers = shard_numbers(format, name)) counts.insert(numbers->second);
  if (counts.empty()) return std::nullopt;
  if (counts.size() > 1)
    fail(ExitCode::cannot_load, folder.string() + ": shards of two sets lie there (" +
                                    shard_file_name(format, 1, *counts.begin()) + " and " +
                                    shard_file_name(format, 1, *counts.rbegin()) +
                                    "); remove the one you do not want");
  WeightSet set;
  set.format = format;
  for (std::size_t number = 1; number <= *counts.begin(); ++number)
    set.files.push_back(shard_file_name(format, number, *counts.begin()));
  find_missing(folder, set);
  return set;
}

/// "model-r00003.h5"
bool is_slice_file(const std::string& name) {
  constexpr std::string_view start = "model-r";
  constexpr std::string_view suffix = ".h5";
  return name.size() == start.size() + 5 + suffix.size() && name.starts_with(start) &&
         name.ends_with(suffix) &&
         std::all_of(name.begin() + start.size(), name.end() - suffix.size(),
                     [](char letter) { return letter >= '0' && letter <= '9'; });
}

std::optional<WeightSet> find_sliced(const fs::path& folder) {
  if (std::ranges::none_of(file_names(folder), is_slice_file)) return std::nullopt;
  const Manifest manifest = read_manifest(folder);
  if (!has_slices(manifest)) return std::nullopt;
  const SliceTable table = slices_of(manifest, (folder / manifest_name).string());
  std::set<std::string> files;
  for (const SlicedTensor& tensor : table.weights)
    for (const Slice& slice : tensor.slices) files.insert(slice.file);
  if (files.empty()) return std::nullopt;
  WeightSet set;
  set.format = WeightFormat::hdf5;
  set.files.assign(files.begin(), files.end());
  set.sliced = true;
  find_missing(folder, set);
  return set;
}

}  // namespace

std::optional<fs::path> find_model_file(const fs::path& folder, const std::string& name) {
  fs::path path = folder / name;
  std::error_code error;
  fs::file_status status = fs::symlink_status(path, error);
  if (status.type() == fs::file_type::not_found) return std::nullopt;
  if (status.type() == fs::file_type::symlink) {
    path = follow_link(folder, path);
    if (path.empty()) return std::nullopt;
    status = fs::status(path, error);
  }
  if (status.type() != fs::file_type::regular)
    fail(ExitCode::cannot_load, (folder / name).string() + ": not a regular file");
  return path;
}

std::vector<std::string> file_names(const fs::path& folder) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator entry(folder, error);
  while (!error && entry != fs::directory_iterator()) {
    names.push_back(entry->path().filename().string());
    entry.increment(error);
  }
  if (error) fail(ExitCode::cannot_load, folder.string() + ": cannot list: " + error.message());
  std::ranges::sort(names);
  return names;
}

std::vector<WeightSet> find_weight_sets(const fs::path& folder) {
  std::vector<WeightSet> sets;
  for (const WeightFormat format :
       {WeightFormat::safetensors, WeightFormat::torch_bin, WeightFormat::hdf5}) {
    std::optional<WeightSet> indexed = find_indexed(folder, format);
    std::optional<WeightSet> single = find_single(folder, format);
    // The index's own shards are numbered as well: without it they would be found once more.
    std::optional<WeightSet> numbered = indexed ? std::nullopt : find_numbered(folder, format);
    for (std::optional<WeightSet>* set : {&indexed, &single, &numbered})
      if (*set) sets.push_back(std::move(**set));
  }
  if (std::optional<WeightSet> sliced = find_sliced(folder)) sets.push_back(std::move(*sliced));
  return sets;
}

}  // namespace fg::store
