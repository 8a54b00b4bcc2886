#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fg::store {

/// Where everything lies in a zip archive of stored entries whose sizes are known beforehand. Data
/// begin at multiples of 64 bytes, by an extra field as PyTorch writes it; zip64 fields only where
/// a number needs them.
class ZipPlan {
public:
  struct Entry {
    std::string name;
    std::uint64_t size = 0;
    std::uint64_t header = 0;
    std::uint64_t begin = 0;  // of the data
  };

  /// Places one entry behind those before it.
  void add(const std::string& name, std::uint64_t size);

  const std::vector<Entry>& entries() const { return entries_; }
  std::string local_header(const Entry& entry, std::uint32_t crc) const;
  /// The central directory and the end records, for the entries' CRCs. Begins at `directory_begin`.
  std::string directory(const std::vector<std::uint32_t>& crcs) const;
  std::uint64_t directory_begin() const;

private:
  std::vector<Entry> entries_;
};

}  // namespace fg::store
