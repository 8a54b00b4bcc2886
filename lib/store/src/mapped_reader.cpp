#include "mapped_reader.hpp"

#include <cstring>
#include <string_view>

#include <fg/base/error.hpp>

namespace fg::store {

MappedFile map_weights(const std::filesystem::path& path) {
  MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  if (text.starts_with("version https://git-lfs."))
    fail(ExitCode::cannot_load, path.string() +
                                    ": a Git LFS pointer, not the weights themselves; run 'git lfs "
                                    "pull' in that folder");
  return file;
}

void check_request(const TensorInfo& tensor, std::uint64_t offset, std::uint64_t size) {
  const std::uint64_t whole = byte_count(tensor);
  FG_CHECK(offset <= whole && size <= whole - offset);
}

void copy_mapped(const MappedFile& file, std::uint64_t begin, std::span<std::byte> out) {
  if (out.empty()) return;
  std::memcpy(out.data(), file.bytes().data() + begin, out.size());
  file.drop(begin, out.size());
}

}  // namespace fg::store
