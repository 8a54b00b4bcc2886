#include <fg/base/error.hpp>
#include <fg/data/records.hpp>

#include "gunzip.hpp"

namespace fg::data {

RecordFile::RecordFile(const std::filesystem::path& path, std::uint64_t most_unpacked)
    : path_(path), container_(container_of(path)) {
  try {
    mapped_ = std::make_unique<MappedFile>(path);
  } catch (const Error& error) {
    fail(ExitCode::data, error.what());
  }
  const auto bytes = mapped_->bytes();
  content_ = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  if (path.extension() == ".gz") {
    unpacked_ = std::make_unique<std::string>(gunzip(bytes, path.string(), most_unpacked));
    content_ = *unpacked_;
    mapped_.reset();
  }
  records_ = find_records(content_, container_, path.string());
}

std::string_view RecordFile::record(std::size_t index) const {
  const RecordPlace& place = records_.at(index);
  return content_.substr(place.begin, place.end - place.begin);
}

std::string RecordFile::place(std::size_t index) const {
  return path_.string() + ": line " + std::to_string(records_.at(index).line) + " (record " +
         std::to_string(index + 1) + ")";
}

}  // namespace fg::data
