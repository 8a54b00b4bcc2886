#include "zip_plan.hpp"

#include <algorithm>

#include <fg/base/error.hpp>

#include "little_endian.hpp"
#include "zip_format.hpp"

namespace fg::store {
namespace {

constexpr std::uint64_t alignment = 64;
constexpr std::uint16_t dos_date = (1 << 5) | 1;  // 1 January 1980: no time enters the file

std::uint32_t narrow(std::uint64_t number) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(number, zip::in_extra));
}

/// The zip64 extra field with those of the numbers that do not fit 32 bits, or nothing.
std::string zip64_extra(std::initializer_list<std::uint64_t> numbers) {
  std::string wide;
  for (const std::uint64_t number : numbers)
    if (number >= zip::in_extra) append_number(wide, number);
  if (wide.empty()) return wide;
  std::string extra;
  append_number(extra, zip::zip64_extra);
  append_number(extra, static_cast<std::uint16_t>(wide.size()));
  return extra + wide;
}

std::uint16_t version_needed(const std::string& extra) {
  return extra.empty() ? 20 : 45;
}

/// What local and central headers have in common: version to name length.
void append_common(std::string& text, const ZipPlan::Entry& entry, std::uint32_t crc,
                   std::uint16_t version) {
  append_number(text, version);
  append_number(text, zip::flag_utf8);
  append_number(text, std::uint16_t{0});  // stored
  append_number(text, std::uint16_t{0});  // midnight
  append_number(text, dos_date);
  append_number(text, crc);
  append_number(text, narrow(entry.size));
  append_number(text, narrow(entry.size));
  append_number(text, static_cast<std::uint16_t>(entry.name.size()));
}

std::string local_extra(std::uint64_t header, std::uint64_t name_size, std::uint64_t size) {
  std::string extra = zip64_extra({size, size});
  const std::uint64_t end = header + zip::local_size + name_size + extra.size() + 4;
  const auto padding = static_cast<std::uint16_t>((alignment - end % alignment) % alignment);
  extra += "FB";
  append_number(extra, padding);
  return extra.append(padding, 'Z');
}

void append_central(std::string& text, const ZipPlan::Entry& entry, std::uint32_t crc) {
  const std::string extra = zip64_extra({entry.size, entry.size, entry.header});
  append_number(text, zip::central_signature);
  append_number(text, version_needed(extra));  // made by
  append_common(text, entry, crc, version_needed(extra));
  append_number(text, static_cast<std::uint16_t>(extra.size()));
  append_number(text, std::uint16_t{0});  // comment
  append_number(text, std::uint16_t{0});  // disk
  append_number(text, std::uint16_t{0});  // internal attributes
  append_number(text, std::uint32_t{0});  // external attributes
  append_number(text, narrow(entry.header));
  text += entry.name + extra;
}

void append_end64(std::string& text, std::uint64_t begin, std::uint64_t size, std::uint64_t count) {
  append_number(text, zip::end64_signature);
  append_number(text, std::uint64_t{zip::end64_size - 12});
  append_number(text, std::uint16_t{45});
  append_number(text, std::uint16_t{45});
  append_number(text, std::uint64_t{0});  // this disk, the directory's disk
  append_number(text, count);
  append_number(text, count);
  append_number(text, size);
  append_number(text, begin);
  append_number(text, zip::locator_signature);
  append_number(text, std::uint32_t{0});
  append_number(text, begin + size);
  append_number(text, std::uint32_t{1});
}

}  // namespace

void ZipPlan::add(const std::string& name, std::uint64_t size) {
  Entry entry{name, size, directory_begin(), 0};
  const std::string extra = local_extra(entry.header, name.size(), size);
  entry.begin = entry.header + zip::local_size + name.size() + extra.size();
  entries_.push_back(std::move(entry));
}

std::uint64_t ZipPlan::directory_begin() const {
  return entries_.empty() ? 0 : entries_.back().begin + entries_.back().size;
}

std::string ZipPlan::local_header(const Entry& entry, std::uint32_t crc) const {
  const std::string extra = local_extra(entry.header, entry.name.size(), entry.size);
  std::string text;
  append_number(text, zip::local_signature);
  append_common(text, entry, crc, version_needed(zip64_extra({entry.size})));
  append_number(text, static_cast<std::uint16_t>(extra.size()));
  return text + entry.name + extra;
}

std::string ZipPlan::directory(const std::vector<std::uint32_t>& crcs) const {
  FG_CHECK(crcs.size() == entries_.size());
  std::string text;
  for (std::size_t index = 0; index < entries_.size(); ++index)
    append_central(text, entries_[index], crcs[index]);
  const std::uint64_t begin = directory_begin();
  const std::uint64_t size = text.size();
  const std::uint64_t count = entries_.size();
  if (begin >= zip::in_extra || size >= zip::in_extra || count >= zip::in_end64)
    append_end64(text, begin, size, count);
  const auto short_count =
      static_cast<std::uint16_t>(std::min<std::uint64_t>(count, zip::in_end64));
  append_number(text, zip::end_signature);
  append_number(text, std::uint32_t{0});  // this disk, the directory's disk
  append_number(text, short_count);
  append_number(text, short_count);
  append_number(text, narrow(size));
  append_number(text, narrow(begin));
  append_number(text, std::uint16_t{0});  // comment
  return text;
}

}  // namespace fg::store
