#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace fg {

/// A regular file mapped for reading. Moves, never copies. Pages come from the page cache, so they
/// do not count as memory of the process. Errors are Error(cannot_load) with the path.
class MappedFile {
public:
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  const std::filesystem::path& path() const noexcept { return path_; }
  /// Tells the kernel that [begin, begin + size) will not be read again soon.
  void drop(std::size_t begin, std::size_t size) const noexcept;

private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A new file being written front to back or at offsets. Errors are Error(cannot_save) with the
/// path and the kernel's reason; a failed sync is never retried. Nothing is synced unless `finish`
/// ran.
class OutputFile {
public:
  /// Creates `path`; it must not exist. Mode 0644.
  explicit OutputFile(std::filesystem::path path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) = delete;
  ~OutputFile();

  /// Takes the space now, so that a full disk shows before the work. Where the file system cannot,
  /// nothing happens.
  void reserve(std::uint64_t size);
  void write(std::span<const std::byte> bytes);  // at the end of what `write` wrote so far
  void write(std::string_view text);
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  /// fsync and close. After this only the destructor may be called.
  void finish();

  const std::filesystem::path& path() const noexcept { return path_; }
  std::uint64_t position() const noexcept { return position_; }

private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t position_ = 0;
};

/// The whole of a text or JSON file, at most `max_bytes`. Error(cannot_load).
std::string read_text(const std::filesystem::path& path, std::uint64_t max_bytes);

/// Writes a new file and syncs it. Error(cannot_save).
void write_synced(const std::filesystem::path& path, std::string_view text);

/// Syncs an existing file, or a folder's entries. Error(cannot_save).
void sync_path(const std::filesystem::path& path);

/// Bytes a user without privileges may still write on the file system of `folder`.
std::uint64_t free_space(const std::filesystem::path& folder);

}  // namespace fg
