// Files of records: any bytes divide into records, and each record reads or gives one Error(data).
// The first byte chooses the container and whether the rest is gzip, the second the format.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include <fg/base/error.hpp>
#include <fg/data/records.hpp>

#include "gunzip.hpp"

namespace {

void read(std::string_view content, fg::data::Container container, fg::data::Format format) {
  std::size_t before = 0, line = 1;
  for (const auto& place : fg::data::find_records(content, container, "fuzz")) {
    const bool in_order = place.begin >= before && place.begin < place.end &&
                          place.end <= content.size() && place.line >= line;
    if (!in_order) std::abort();
    before = place.end;
    line = place.line;
    const std::string_view record = content.substr(place.begin, place.end - place.begin);
    try {
      fg::data::parse_record(record, container,
                             format == fg::data::Format::automatic
                                 ? fg::data::detect_format(record, container, "fuzz")
                                 : format,
                             "fuzz");
    } catch (const fg::Error& error) {
      if (error.code() != fg::ExitCode::data) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto container = static_cast<fg::data::Container>(data[0] % 3);
  const auto format = static_cast<fg::data::Format>(data[1] % 5);
  const std::string_view content(reinterpret_cast<const char*>(data) + 2, size - 2);
  try {
    if (data[0] >= 128)
      read(fg::data::gunzip(std::as_bytes(std::span(content)), "fuzz", 1 << 20), container, format);
    else
      read(content, container, format);
  } catch (const fg::Error& error) {
    if (error.code() != fg::ExitCode::data) std::abort();
  }
  return 0;
}
