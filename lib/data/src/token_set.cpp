#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>

#include <fg/base/error.hpp>
#include <fg/base/units.hpp>
#include <fg/data/token_set.hpp>

#include "cache_file.hpp"

namespace fg::data {

struct TokenSet::Impl {
  explicit Impl(const std::filesystem::path& path) : file(path) {}

  MappedFile file;
  std::span<const CacheEntry> entries;
  std::vector<SourceRange> sources;
  Counts counts;
  std::string content_hash;
  std::uint32_t longest = 0;

  template <typename Value>
  const Value* at(std::uint64_t offset) const {
    return reinterpret_cast<const Value*>(file.bytes().data() + offset);
  }
};

namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  fail(ExitCode::cannot_load, path.string() + ": " + why);
}

std::string hash_of(std::span<const std::byte> bytes) {
  return store::hash_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

CacheHeader checked_header(const MappedFile& file, const std::string& key) {
  const auto bytes = file.bytes();
  CacheHeader header;
  if (bytes.size() < sizeof header) refuse(file.path(), "too short for a file of tokens");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, cache_magic, sizeof cache_magic) != 0)
    refuse(file.path(), "is no file of tokens");
  if (hash_of(bytes.first(offsetof(CacheHeader, header_hash))) !=
      std::string_view(header.header_hash, sizeof header.header_hash))
    refuse(file.path(), "its header is damaged");
  if (header.version != cache_version || header.header_size != sizeof header)
    refuse(file.path(), "is of version " + std::to_string(header.version) + ", wanted is " +
                            std::to_string(cache_version));
  if (!key.empty() && std::string_view(header.key, sizeof header.key) != key)
    refuse(file.path(), "was made from other data, tokenizer, template or options");
  if (header.file_size != bytes.size())
    refuse(file.path(), "has " + with_thousands(bytes.size()) + " bytes, not " +
                            with_thousands(header.file_size));
  if (hash_of(bytes.subspan(sizeof header)) !=
      std::string_view(header.payload_hash, sizeof header.payload_hash))
    refuse(file.path(), "is damaged: its hash is another");
  const bool in_order =
      header.table_offset >= sizeof header && header.table_offset % 8 == 0 &&
      header.table_offset <= header.meta_offset && header.meta_offset <= bytes.size() &&
      (header.meta_offset - header.table_offset) / sizeof(CacheEntry) == header.documents;
  if (!in_order) refuse(file.path(), "its parts do not lie where they must");
  return header;
}

bool fits(const CacheEntry& entry, std::uint64_t end) {
  return entry.offset >= sizeof(CacheHeader) && entry.offset % 4 == 0 && entry.offset <= end &&
         entry.length >= 1 && std::uint64_t{entry.length} * 5 <= end - entry.offset &&
         entry.trained < entry.length;
}

}  // namespace

TokenSet TokenSet::open(const std::filesystem::path& path, const std::string& key) {
  auto impl = std::make_shared<Impl>(path);
  const CacheHeader header = checked_header(impl->file, key);
  const std::uint64_t bytes = impl->file.bytes().size();
  impl->entries = {impl->at<CacheEntry>(header.table_offset),
                   static_cast<std::size_t>(header.documents)};
  impl->content_hash.assign(header.payload_hash, sizeof header.payload_hash);
  read_meta({impl->at<char>(header.meta_offset), bytes - header.meta_offset}, path.string(),
            impl->counts, impl->sources);
  for (const CacheEntry& entry : impl->entries) {
    if (!fits(entry, header.table_offset)) refuse(path, "a document lies outside of it");
    impl->longest = std::max(impl->longest, entry.length);
  }
  std::size_t next = 0;
  for (const SourceRange& source : impl->sources) {
    if (source.begin != next || source.end < source.begin) refuse(path, "its sources are torn");
    next = source.end;
  }
  if (next != impl->entries.size()) refuse(path, "its sources do not hold all documents");
  return TokenSet(std::move(impl));
}

std::size_t TokenSet::size() const noexcept {
  return impl_->entries.size();
}

Document TokenSet::document(std::size_t index) const {
  FG_CHECK(index < size());
  const CacheEntry& entry = impl_->entries[index];
  return {.ids = {impl_->at<std::uint32_t>(entry.offset), entry.length},
          .trained = {impl_->at<std::uint8_t>(entry.offset + std::uint64_t{entry.length} * 4),
                      entry.length}};
}

std::uint32_t TokenSet::length(std::size_t index) const {
  FG_CHECK(index < size());
  return impl_->entries[index].length;
}

std::uint32_t TokenSet::trained_tokens(std::size_t index) const {
  FG_CHECK(index < size());
  return impl_->entries[index].trained;
}

std::uint64_t TokenSet::record(std::size_t index) const {
  FG_CHECK(index < size());
  return impl_->entries[index].record;
}

std::uint32_t TokenSet::longest() const noexcept {
  return impl_->longest;
}

const std::vector<SourceRange>& TokenSet::sources() const noexcept {
  return impl_->sources;
}

const Counts& TokenSet::counts() const noexcept {
  return impl_->counts;
}

const std::string& TokenSet::content_hash() const noexcept {
  return impl_->content_hash;
}

const std::filesystem::path& TokenSet::path() const noexcept {
  return impl_->file.path();
}

std::vector<std::string> Counts::lines() const {
  const auto number = [](std::uint64_t value) { return with_thousands(value); };
  std::vector<std::string> text = {number(records) + " records, " + number(documents) +
                                   " documents, " + number(tokens) + " tokens, " +
                                   number(trained_tokens) + " of them trained"};
  if (cut_records > 0)
    text.push_back(number(cut_records) + " too long and cut: " + number(cut_tokens) +
                   " tokens lost, " + number(cut_trained_tokens) + " of them to be trained");
  if (split_records > 0)
    text.push_back(number(split_records) + " too long and split into " + number(split_windows) +
                   " windows");
  if (dropped_records > 0)
    text.push_back(number(dropped_records) + " dropped, as nothing in them is trained");
  if (dropped_windows > 0)
    text.push_back(number(dropped_windows) + " windows dropped, as nothing in them is trained");
  return text;
}

}  // namespace fg::data
