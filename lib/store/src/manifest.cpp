#include <algorithm>
#include <array>
#include <functional>
#include <utility>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/store/manifest.hpp>

namespace fg::store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t max_manifest_bytes = 16 << 20;

bool holds_weights(const fs::path& file) {
  constexpr std::array<std::string_view, 4> endings = {".h5", ".hdf5", ".safetensors", ".bin"};
  const std::string ending = file.extension().string();
  for (const std::string_view known : endings)
    if (ending == known) return true;
  return false;
}

/// The folder's regular files, links followed, but hidden ones and the manifest itself.
std::vector<fs::path> files_of(const fs::path& folder, ExitCode code) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::error_code unreadable;
    if (!name.starts_with('.') && name != manifest_name && entry->is_regular_file(unreadable))
      files.push_back(entry->path());
  }
  if (error) fail(code, folder.string() + ": cannot list the folder: " + error.message());
  return files;
}

void check_size(const fs::path& file, const FileRecord& wanted, ExitCode code) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (status.type() == fs::file_type::not_found)
    fail(code, file.string() + ": is missing, though listed in " + std::string(manifest_name));
  if (error) fail(code, file.string() + ": cannot stat: " + error.message());
  if (!fs::is_regular_file(status)) fail(code, file.string() + ": not a regular file");
  const std::uint64_t size = fs::file_size(file, error);
  if (error) fail(code, file.string() + ": cannot stat: " + error.message());
  if (size != wanted.size)
    fail(code, file.string() + ": has " + std::to_string(size) + " bytes, " +
                   std::string(manifest_name) + " says " + std::to_string(wanted.size) +
                   "; the file was cut or replaced");
}

void check_hash(const fs::path& file, const FileRecord& wanted) {
  const FileRecord found = record_of_file(file);
  if (found.size != wanted.size)
    fail(ExitCode::cannot_load, file.string() + ": changed its size while it was read");
  if (found.xxh3_128 != wanted.xxh3_128 && !fault_planted("store.manifest_hash"))
    fail(ExitCode::cannot_load, file.string() + ": is damaged: its XXH3-128 is " + found.xxh3_128 +
                                    ", " + std::string(manifest_name) + " says " + wanted.xxh3_128);
}

}  // namespace

void write_manifest(const fs::path& folder, Manifest known) {
  for (const auto& [name, record] : known.files)
    check_size(folder / name, record, ExitCode::cannot_save);
  for (const fs::path& file : files_of(folder, ExitCode::cannot_save)) {
    const std::string name = file.filename().string();
    if (!known.files.contains(name))
      known.files.emplace(name, record_of_file(file, ExitCode::cannot_save));
  }
  const std::string text = manifest_text(known);
  const fs::path beside = folder / ("." + std::string(manifest_name) + ".tmp");
  std::error_code error;
  fs::remove(beside, error);  // of a run that was cut; a failure shows when it is made anew
  write_synced(beside, text);
  fail_point("manifest.before_rename");
  fs::rename(beside, folder / manifest_name, error);
  if (error)
    fail(ExitCode::cannot_save,
         (folder / manifest_name).string() + ": cannot rename: " + error.message());
  sync_path(folder);
}

Manifest read_manifest(const fs::path& folder) {
  const fs::path path = folder / manifest_name;
  std::error_code error;
  if (!fs::exists(path, error))
    fail(ExitCode::cannot_load, path.string() +
                                    ": is missing; without it nothing tells whether "
                                    "the files of this folder are whole");
  return parse_manifest(read_text(path, max_manifest_bytes), path.string());
}

void verify_manifest(const fs::path& folder) {
  verify_files(read_manifest(folder), folder);
}

void verify_files(const Manifest& manifest, const fs::path& folder, std::size_t share,
                  std::size_t shares) {
  for (const auto& [name, record] : manifest.files)
    check_size(folder / name, record, ExitCode::cannot_load);
  for (const fs::path& file : files_of(folder, ExitCode::cannot_load))
    if (holds_weights(file) && !manifest.files.contains(file.filename().string()))
      fail(ExitCode::cannot_load, file.string() + ": holds weights but is not listed in " +
                                      std::string(manifest_name) +
                                      "; remove it, or convert the model anew");
  std::vector<std::pair<std::uint64_t, std::string>> by_size;
  for (const auto& [name, record] : manifest.files) by_size.emplace_back(record.size, name);
  std::ranges::sort(by_size, std::greater<>());
  for (std::size_t index = share; index < by_size.size(); index += shares)
    check_hash(folder / by_size[index].second, manifest.files.at(by_size[index].second));
}

void require_listed(const fs::path& folder, const std::string& file) {
  require_listed(read_manifest(folder), folder, file);
}

void require_listed(const Manifest& manifest, const fs::path& folder, const std::string& file) {
  const auto entry = manifest.files.find(file);
  if (entry == manifest.files.end())
    fail(ExitCode::cannot_load, (folder / file).string() + ": is not listed in " +
                                    std::string(manifest_name) +
                                    ", so it is not one that fg wrote here; it is not opened");
  check_size(folder / file, entry->second, ExitCode::cannot_load);
  check_hash(folder / file, entry->second);
}

}  // namespace fg::store
