#include "source_files.hpp"

#include <algorithm>
#include <string_view>

#include <fg/base/error.hpp>
#include <fg/base/nearest.hpp>

namespace fg::data {
namespace {

namespace fs = std::filesystem;

/// "train.jsonl.gz" → "train".
std::string plain_name(const fs::path& path) {
  fs::path name = path.filename();
  if (name.extension() == ".gz") name = name.stem();
  return name.stem().string();
}

bool holds_records(const fs::path& path) {
  fs::path name = path.filename();
  if (name.string().starts_with('.')) return false;
  if (name.extension() == ".gz") name = name.stem();
  constexpr std::string_view endings[] = {".json", ".jsonl", ".ndjson", ".txt"};
  return std::find(std::begin(endings), std::end(endings), name.extension().string()) !=
             std::end(endings) &&
         name.stem() != "README" && name.stem() != "LICENSE";
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    if (entry->is_regular_file() && holds_records(entry->path())) files.push_back(entry->path());
  if (error) fail(ExitCode::data, folder.string() + ": cannot be read: " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

bool belongs_to(const fs::path& file, const std::string& split) {
  const std::string name = plain_name(file);
  return name == split || name.starts_with(split + "-") || name.starts_with(split + "_");
}

std::vector<fs::path> files_of_folder(const fs::path& folder, const std::string& split) {
  if (fs::is_directory(folder / split)) return files_in(folder / split);
  const std::vector<fs::path> all = files_in(folder);
  std::vector<fs::path> named;
  std::copy_if(all.begin(), all.end(), std::back_inserter(named),
               [&](const fs::path& file) { return belongs_to(file, split); });
  if (!named.empty()) return named;
  if (!all.empty() && split == "train") return all;
  std::vector<std::string> names;
  std::string there;
  for (const fs::path& file : all) {
    names.push_back(plain_name(file));
    if (names.size() <= 10) there += (there.empty() ? "" : ", ") + file.filename().string();
  }
  if (names.empty())
    fail(ExitCode::data,
         folder.string() + ": no file here ends in .json, .jsonl, .ndjson or .txt (or .gz)");
  fail(ExitCode::data, folder.string() + ": no file of the split '" + split + "'; there are " +
                           there + did_you_mean(split, names));
}

}  // namespace

std::vector<fs::path> files_of(const fs::path& path, const std::string& split_name) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    return files_of_folder(path, split_name.empty() ? "train" : split_name);
  if (!fs::exists(path, ignored)) {
    std::vector<std::string> names;
    const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
    if (fs::is_directory(parent, ignored))
      for (const fs::path& file : files_in(parent)) names.push_back(file.filename().string());
    fail(ExitCode::data,
         path.string() + ": does not exist" + did_you_mean(path.filename().string(), names));
  }
  if (!split_name.empty() && split_name != "train" && split_name != plain_name(path))
    fail(ExitCode::data, path.string() + ": a file has no split '" + split_name +
                             "'; take a part of it by [:95%], or name another file");
  return {path};
}

}  // namespace fg::data
