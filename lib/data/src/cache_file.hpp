#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <type_traits>
#include <vector>

#include <fg/base/file.hpp>
#include <fg/data/chat_encoder.hpp>
#include <fg/data/token_set.hpp>
#include <fg/store/hash.hpp>

namespace fg::data {

// A cache file, little endian: CacheHeader; for each document its ids (32 bits each) and flags (a
// byte each), filled up to 4 bytes; one CacheEntry a document; counts and sources as JSON.
inline constexpr std::uint32_t cache_version = 1;
inline constexpr char cache_magic[8] = {'f', 'g', 't', 'o', 'k', 'e', 'n', 's'};

struct CacheHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t header_size;
  std::uint64_t file_size;
  std::uint64_t table_offset;
  std::uint64_t documents;
  std::uint64_t meta_offset;
  char key[32];           // cache_key's
  char payload_hash[32];  // of all behind the header
  char header_hash[32];   // of all before itself
};
static_assert(sizeof(CacheHeader) == 144 && std::is_trivially_copyable_v<CacheHeader>);

struct CacheEntry {
  std::uint64_t offset;
  std::uint64_t record;
  std::uint32_t length;
  std::uint32_t trained;
};
static_assert(sizeof(CacheEntry) == 24 && std::is_trivially_copyable_v<CacheEntry>);

/// Documents as they lie in a cache file, offsets counted from the first of them.
struct DocumentBlock {
  std::string bytes;
  std::vector<CacheEntry> entries;

  void add(const Encoded& document, std::uint64_t record);
};

/// Writes a cache file front to back. Error(cannot_save).
class CacheWriter {
public:
  /// `path` must not exist.
  CacheWriter(const std::filesystem::path& path, const std::string& key);

  void add(const DocumentBlock& block);
  std::size_t documents() const noexcept { return entries_.size(); }
  /// Table, header, sync. Nothing may be called after it.
  void finish(const Counts& counts, const std::vector<SourceRange>& sources);

private:
  void write(std::string_view bytes);

  OutputFile file_;
  store::Hasher payload_;
  std::string key_;
  std::vector<CacheEntry> entries_;
};

std::string meta_text(const Counts& counts, const std::vector<SourceRange>& sources);
/// Error(cannot_load), `name` first.
void read_meta(std::string_view text, const std::string& name, Counts& counts,
               std::vector<SourceRange>& sources);

}  // namespace fg::data
