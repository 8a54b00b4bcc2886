#include "cache_file.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

#include <fg/base/json.hpp>

#include "fit.hpp"

namespace fg::data {
namespace {

static_assert(std::endian::native == std::endian::little, "cache files are little endian");

// One place for the names and fields of the counts in the file.
constexpr std::array<std::pair<const char*, std::uint64_t Counts::*>, 12> count_fields = {{
    {"records", &Counts::records},
    {"documents", &Counts::documents},
    {"tokens", &Counts::tokens},
    {"trained_tokens", &Counts::trained_tokens},
    {"cut_records", &Counts::cut_records},
    {"cut_tokens", &Counts::cut_tokens},
    {"cut_trained_tokens", &Counts::cut_trained_tokens},
    {"split_records", &Counts::split_records},
    {"split_windows", &Counts::split_windows},
    {"dropped_records", &Counts::dropped_records},
    {"dropped_windows", &Counts::dropped_windows},
    {"longest_record", &Counts::longest_record},
}};
static_assert(sizeof(Counts) == count_fields.size() * sizeof(std::uint64_t));

void copy_hash(char (&target)[32], const std::string& hash) {
  FG_CHECK(hash.size() == sizeof target);
  std::memcpy(target, hash.data(), sizeof target);
}

template <typename Value>
std::string_view bytes_of(const Value* values, std::size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof(Value)};
}

}  // namespace

void DocumentBlock::add(const Encoded& document, std::uint64_t record) {
  const std::size_t size = document.ids.size();
  entries.push_back({.offset = bytes.size(),
                     .record = record,
                     .length = static_cast<std::uint32_t>(size),
                     .trained = static_cast<std::uint32_t>(count_trained(document))});
  bytes += bytes_of(document.ids.data(), size);  // ids are not negative, so signed is unsigned
  bytes += bytes_of(document.trained.data(), size);
  bytes.resize((bytes.size() + 3) / 4 * 4, '\0');
}

CacheWriter::CacheWriter(const std::filesystem::path& path, const std::string& key)
    : file_(path), key_(key) {
  file_.write(std::string(sizeof(CacheHeader), '\0'));
}

void CacheWriter::write(std::string_view bytes) {
  payload_.update(bytes);
  file_.write(bytes);
}

void CacheWriter::add(const DocumentBlock& block) {
  for (CacheEntry entry : block.entries) {
    entry.offset += file_.position();
    entries_.push_back(entry);
  }
  write(block.bytes);
  if (entries_.size() >= UINT32_MAX)
    fail(ExitCode::data, "more than 4,294,967,294 documents are not supported");
}

void CacheWriter::finish(const Counts& counts, const std::vector<SourceRange>& sources) {
  if (file_.position() % 8 != 0) write(std::string(8 - file_.position() % 8, '\0'));
  CacheHeader header{};
  std::memcpy(header.magic, cache_magic, sizeof cache_magic);
  header.version = cache_version;
  header.header_size = sizeof header;
  header.table_offset = file_.position();
  header.documents = entries_.size();
  write(bytes_of(entries_.data(), entries_.size()));
  header.meta_offset = file_.position();
  write(meta_text(counts, sources));
  header.file_size = file_.position();
  copy_hash(header.key, key_);
  copy_hash(header.payload_hash, payload_.hex());
  copy_hash(header.header_hash,
            store::hash_text(bytes_of(&header, 1).substr(0, offsetof(CacheHeader, header_hash))));
  file_.write_at(0, std::as_bytes(std::span(&header, 1)));
  file_.finish();
}

std::string meta_text(const Counts& counts, const std::vector<SourceRange>& sources) {
  Json meta;
  for (const auto& [name, field] : count_fields) meta["counts"][name] = counts.*field;
  meta["sources"] = Json::array();
  for (const SourceRange& source : sources)
    meta["sources"].push_back(
        {{"begin", source.begin}, {"end", source.end}, {"weight", source.weight}});
  return meta.dump();
}

void read_meta(std::string_view text, const std::string& name, Counts& counts,
               std::vector<SourceRange>& sources) {
  const Json meta = parse_json(text, name, {.max_bytes = 16 << 20});
  try {
    for (const auto& [field_name, field] : count_fields)
      counts.*field = meta.at("counts").at(field_name).get<std::uint64_t>();
    for (const Json& source : meta.at("sources"))
      sources.push_back({.begin = source.at("begin").get<std::size_t>(),
                         .end = source.at("end").get<std::size_t>(),
                         .weight = source.at("weight").get<double>()});
  } catch (const Json::exception&) {
    fail(ExitCode::cannot_load, name + ": its counts are not as they must be");
  }
}

}  // namespace fg::data
