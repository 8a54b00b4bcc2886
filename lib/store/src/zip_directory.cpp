#include "zip_directory.hpp"

#include <algorithm>
#include <optional>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/utf8.hpp>

#include "little_endian.hpp"
#include "tensor_list.hpp"
#include "zip_format.hpp"

namespace fg::store {
namespace {

constexpr std::uint64_t max_entries = max_tensors + 100;

struct Directory {
  std::uint64_t count = 0;
  std::uint64_t begin = 0;
  std::uint64_t size = 0;
};

class ZipReader {
public:
  ZipReader(std::span<const std::byte> file, const std::string& name) : file_(file), name_(name) {}

  std::vector<ZipEntry> read() {
    find_directory();
    std::vector<ZipEntry> entries;
    std::uint64_t position = directory_.begin;
    for (std::uint64_t index = 0; index < directory_.count; ++index)
      entries.push_back(read_central(position));
    if (position != directory_end()) refuse("its central directory is longer than its entries");
    check_overlap(entries);
    check_duplicates(entries);
    return entries;
  }

private:
  [[noreturn]] void refuse(const std::string& rule) const {
    fail(ExitCode::cannot_load, name_ + ": not a zip archive as PyTorch writes it: " + rule);
  }
  std::uint64_t directory_end() const { return directory_.begin + directory_.size; }

  void find_directory() {
    if (file_.size() < zip::end_size) refuse("it is shorter than the smallest archive");
    const std::uint64_t end = file_.size() - zip::end_size;
    if (load<std::uint32_t>(file_, end) != zip::end_signature ||
        load<std::uint16_t>(file_, end + 20) != 0)
      refuse("it does not end with an end record without comment; is the download complete?");
    if (load<std::uint16_t>(file_, end + 4) != 0 || load<std::uint16_t>(file_, end + 6) != 0)
      refuse("it is split over several disks");
    const auto here = load<std::uint16_t>(file_, end + 8);
    if (here != load<std::uint16_t>(file_, end + 10)) refuse("its end record has two entry counts");
    const auto size = load<std::uint32_t>(file_, end + 12);
    const auto begin = load<std::uint32_t>(file_, end + 16);
    directory_ = {here, begin, size};
    std::uint64_t directory_limit = end;
    const bool has_locator =
        end >= zip::locator_size &&
        load<std::uint32_t>(file_, end - zip::locator_size) == zip::locator_signature;
    if (has_locator)
      directory_limit = read_end64(end - zip::locator_size);
    else if (here == zip::in_end64 || size == zip::in_extra || begin == zip::in_extra)
      refuse("its zip64 end record is missing");
    check_directory(directory_limit);
  }

  /// Returns where the zip64 end record begins.
  std::uint64_t read_end64(std::uint64_t locator) {
    const auto begin = load<std::uint64_t>(file_, locator + 8);
    if (load<std::uint32_t>(file_, locator + 4) != 0 ||
        load<std::uint32_t>(file_, locator + 16) != 1)
      refuse("it is split over several disks");
    if (locator < zip::end64_size || begin != locator - zip::end64_size)
      refuse("its zip64 locator does not point at the record before it");
    if (load<std::uint32_t>(file_, begin) != zip::end64_signature ||
        load<std::uint64_t>(file_, begin + 4) != zip::end64_size - 12)
      refuse("its zip64 end record is damaged");
    if (load<std::uint32_t>(file_, begin + 16) != 0 || load<std::uint32_t>(file_, begin + 20) != 0)
      refuse("it is split over several disks");
    const auto count = load<std::uint64_t>(file_, begin + 24);
    if (count != load<std::uint64_t>(file_, begin + 32))
      refuse("its zip64 end record has two entry counts");
    const Directory wide = {count, load<std::uint64_t>(file_, begin + 48),
                            load<std::uint64_t>(file_, begin + 40)};
    if (!agrees(directory_.count, wide.count, zip::in_end64) ||
        !agrees(directory_.begin, wide.begin, zip::in_extra) ||
        !agrees(directory_.size, wide.size, zip::in_extra))
      refuse("its end record and its zip64 end record disagree");
    directory_ = wide;
    return begin;
  }

  static bool agrees(std::uint64_t narrow, std::uint64_t wide, std::uint64_t mark) {
    return narrow == wide || narrow == mark;
  }

  void check_directory(std::uint64_t limit) const {
    if (directory_.begin > limit || directory_.size != limit - directory_.begin)
      refuse("its central directory does not fill the space before its end record");
    if (directory_.count > max_entries)
      refuse("it has more than " + std::to_string(max_entries) + " entries");
    if (directory_.count * zip::central_size > directory_.size)
      refuse("it claims more entries than its central directory holds");
  }

  std::string_view text(std::uint64_t begin, std::uint64_t size) const {
    return {reinterpret_cast<const char*>(file_.data()) + begin, size};
  }

  ZipEntry read_central(std::uint64_t& position) const {
    const std::uint64_t left = directory_end() - position;
    if (left < zip::central_size || load<std::uint32_t>(file_, position) != zip::central_signature)
      refuse("an entry of its central directory is damaged");
    const auto name_size = load<std::uint16_t>(file_, position + 28);
    const auto extra_size = load<std::uint16_t>(file_, position + 30);
    const auto comment_size = load<std::uint16_t>(file_, position + 32);
    if (left - zip::central_size < std::uint64_t{name_size} + extra_size + comment_size)
      refuse("an entry of its central directory reaches past its end");
    ZipEntry entry;
    entry.name = text(position + zip::central_size, name_size);
    check_name(entry.name);
    const auto flags = load<std::uint16_t>(file_, position + 8);
    check_stored(entry.name, flags, load<std::uint16_t>(file_, position + 10));
    if (load<std::uint16_t>(file_, position + 34) != 0) refuse("it is split over several disks");
    std::uint64_t compressed = load<std::uint32_t>(file_, position + 20);
    entry.size = load<std::uint32_t>(file_, position + 24);
    entry.header = load<std::uint32_t>(file_, position + 42);
    widen(entry.name, text(position + zip::central_size + name_size, extra_size),
          {&entry.size, &compressed, &entry.header});
    if (compressed != entry.size)
      refuse("entry " + shown(entry.name) + " is stored but has two sizes");
    read_local(entry, flags);
    position += zip::central_size + name_size + extra_size + comment_size;
    return entry;
  }

  void check_name(std::string_view name) const {
    const bool outside = name.starts_with('/') || name.starts_with("../") || name == ".." ||
                         name.ends_with("/..") || name.find("/../") != std::string_view::npos ||
                         name.find('\\') != std::string_view::npos ||
                         name.find('\0') != std::string_view::npos;
    if (outside) refuse("the name of entry " + shown(name) + " leads outside the archive");
    if (name.empty() || name.size() > max_name_bytes || find_invalid_utf8(name))
      refuse("the name of entry " + shown(name) + " is empty, too long or not UTF-8");
  }

  void check_stored(std::string_view name, std::uint16_t flags, std::uint16_t method) const {
    constexpr std::uint16_t known = zip::flag_descriptor | zip::flag_utf8;
    if ((flags & 1u) != 0) refuse("entry " + shown(name) + " is encrypted");
    if (method != 0)
      refuse("entry " + shown(name) +
             " is compressed; only stored entries are read (TorchScript archives and repacked "
             "files have others)");
    if ((flags & ~known) != 0) refuse("entry " + shown(name) + " has unknown flags");
  }

  /// The numbers of the zip64 extra field, or nothing where there is none.
  std::optional<std::vector<std::uint64_t>> zip64_numbers(std::string_view name,
                                                          std::string_view extra) const {
    std::optional<std::vector<std::uint64_t>> numbers;
    const std::span<const std::byte> bytes = std::as_bytes(std::span(extra));
    for (std::size_t at = 0; at < extra.size();) {
      if (extra.size() - at < 4)
        refuse("the extra fields of entry " + shown(name) + " are damaged");
      const auto id = load<std::uint16_t>(bytes, at);
      const auto size = load<std::uint16_t>(bytes, at + 2);
      at += 4;
      if (size > extra.size() - at)
        refuse("an extra field of entry " + shown(name) + " reaches past its end");
      if (id == zip::zip64_extra) {
        if (numbers || size % 8 != 0 || size > 24)
          refuse("the zip64 sizes of entry " + shown(name) + " are damaged");
        numbers.emplace();
        for (std::size_t offset = at; offset < at + size; offset += 8)
          numbers->push_back(load<std::uint64_t>(bytes, offset));
      }
      at += size;
    }
    return numbers;
  }

  /// Replaces each number that says "in the zip64 extra" by what stands there; the extra must hold
  /// exactly those (APPNOTE 4.5.3).
  void widen(std::string_view name, std::string_view extra,
             std::initializer_list<std::uint64_t*> narrow) const {
    const std::optional<std::vector<std::uint64_t>> wide = zip64_numbers(name, extra);
    std::size_t used = 0;
    for (std::uint64_t* number : narrow) {
      if (*number != zip::in_extra) continue;
      if (!wide || used == wide->size()) refuse("entry " + shown(name) + " lacks its zip64 sizes");
      *number = (*wide)[used++];
    }
    if (wide && used != wide->size())
      refuse("the zip64 sizes of entry " + shown(name) + " are not asked for");
  }

  void read_local(ZipEntry& entry, std::uint16_t flags) const {
    const std::string which = "entry " + shown(entry.name);
    if (entry.header > directory_.begin || directory_.begin - entry.header < zip::local_size ||
        load<std::uint32_t>(file_, entry.header) != zip::local_signature)
      refuse("the local header of " + which + " is not where the central directory says");
    const auto name_size = load<std::uint16_t>(file_, entry.header + 26);
    const auto extra_size = load<std::uint16_t>(file_, entry.header + 28);
    entry.begin = entry.header + zip::local_size + name_size + extra_size;
    if (entry.begin > directory_.begin || entry.size > directory_.begin - entry.begin)
      refuse(which + " reaches past the end of the archive's data");
    if (text(entry.header + zip::local_size, name_size) != entry.name)
      refuse(which + " has another name in its local header");
    if (load<std::uint16_t>(file_, entry.header + 6) != flags ||
        load<std::uint16_t>(file_, entry.header + 8) != 0)
      refuse(which + " has another method or other flags in its local header");
    check_local_sizes(entry, flags, text(entry.begin - extra_size, extra_size));
  }

  void check_local_sizes(const ZipEntry& entry, std::uint16_t flags, std::string_view extra) const {
    const std::string which = "entry " + shown(entry.name);
    std::uint64_t compressed = load<std::uint32_t>(file_, entry.header + 18);
    std::uint64_t size = load<std::uint32_t>(file_, entry.header + 22);
    if ((flags & zip::flag_descriptor) != 0 && size == 0 && compressed == 0) {
      // The sizes follow the data. PyTorch gives large records a zip64 field here as well, although
      // no number asks for it, with what it knows so far.
      for (const std::uint64_t number :
           zip64_numbers(entry.name, extra).value_or(std::vector<std::uint64_t>()))
        if (number != 0 && number != entry.size && number != entry.header)
          refuse(which + " has another size in its local header");
      return;
    }
    widen(entry.name, extra, {&size, &compressed});
    if (size != entry.size || compressed != entry.size)
      refuse(which + " has another size in its local header");
  }

  void check_overlap(std::vector<ZipEntry>& entries) const {
    static const bool planted = fault_planted("store.zip_overlap");
    std::ranges::sort(entries, {}, &ZipEntry::header);
    for (std::size_t index = 1; index < entries.size() && !planted; ++index)
      if (entries[index].header < entries[index - 1].begin + entries[index - 1].size)
        refuse("entries " + shown(entries[index - 1].name) + " and " + shown(entries[index].name) +
               " overlap");
  }

  void check_duplicates(std::vector<ZipEntry>& entries) const {
    std::ranges::sort(entries, {}, &ZipEntry::name);
    const auto twice = std::ranges::adjacent_find(entries, {}, &ZipEntry::name);
    if (twice != entries.end()) refuse("entry " + shown(twice->name) + " appears twice");
  }

  std::span<const std::byte> file_;
  const std::string& name_;
  Directory directory_;
};

}  // namespace

std::vector<ZipEntry> read_zip_directory(std::span<const std::byte> file, const std::string& name) {
  return ZipReader(file, name).read();
}

}  // namespace fg::store
