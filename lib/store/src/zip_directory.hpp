#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fg::store {

struct ZipEntry {
  std::string_view name;  // points into the file
  std::uint64_t header = 0;
  std::uint64_t begin = 0;  // of the data
  std::uint64_t size = 0;
};

/// The entries of a zip archive that only stores: no compression, no encryption, one disk, nothing
/// before or behind the archive's own records, every number said twice said alike, no entry inside
/// another, no name twice or outside the archive. Sorted by name. CRCs are not looked at: they
/// guard against damage only, and reading every byte twice would double the time (folders that we
/// write have hashes in their manifest). Format: PKWARE APPNOTE 6.3. Error(cannot_load) that begins
/// with `name` and says the rule broken.
std::vector<ZipEntry> read_zip_directory(std::span<const std::byte> file, const std::string& name);

}  // namespace fg::store
