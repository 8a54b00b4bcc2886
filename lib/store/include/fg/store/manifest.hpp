#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include <fg/base/json.hpp>
#include <fg/store/hash.hpp>

namespace fg::store {

inline constexpr std::string_view manifest_name = "manifest.json";

/// What a folder holds: size and hash of each of its files by plain name, and whatever else the
/// writer puts beside them (a checkpoint its slice table).
struct Manifest {
  std::map<std::string, FileRecord> files;
  Json more = Json::object();  // further keys of the document

  friend bool operator==(const Manifest&, const Manifest&) = default;
};

/// `{"format": 1, "files": {name: {"size", "xxh3_128"}}, ..., "check"}`: one file a line; "check"
/// is the XXH3-128 of the whole text with its own digits as zeros, so that damage to the manifest
/// itself is found. The same manifest gives the same text. Error(cannot_save) for a name that is
/// not plain.
std::string manifest_text(const Manifest& manifest);

/// The reverse, with every rule checked: format, names, sizes, hashes, "check", at most 16 MiB.
/// `name` begins every message. Error(cannot_load).
Manifest parse_manifest(std::string_view text, const std::string& name);

/// Writes `folder`/manifest.json (beside, synced, renamed over an older one). The regular files of
/// the folder are hashed, which reads them, unless `known.files` has them, from whoever wrote them:
/// those must be there in that size. Hidden files and sub-folders are no part of it.
/// Error(cannot_save).
void write_manifest(const std::filesystem::path& folder, Manifest known = {});

/// Error(cannot_load) where there is none or it breaks a rule.
Manifest read_manifest(const std::filesystem::path& folder);

/// Reads every file that the manifest lists and compares sizes, then hashes. Error(cannot_load)
/// naming the damaged file and what differs. A file that is not listed is refused only if it holds
/// weights (.h5, .hdf5, .safetensors, .bin).
void verify_manifest(const std::filesystem::path& folder);

/// The same with a manifest that was read before, for one of several readers: all sizes, but only
/// those files' bytes that fall to `share` of `shares`. Together the shares read each file once.
void verify_files(const Manifest& manifest, const std::filesystem::path& folder,
                  std::size_t share = 0, std::size_t shares = 1);

/// The same for one file of the folder, to be called before a `.h5` is opened; costs a read of it.
/// Error(cannot_load), also where there is no manifest.
void require_listed(const std::filesystem::path& folder, const std::string& file);

/// The same with a manifest that was read before.
void require_listed(const Manifest& manifest, const std::filesystem::path& folder,
                    const std::string& file);

}  // namespace fg::store
