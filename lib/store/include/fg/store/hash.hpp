#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <fg/base/error.hpp>

namespace fg::store {

/// XXH3-128 of bytes that come in pieces: finds damage, not malice. The same text as xxh128sum's.
class Hasher {
public:
  Hasher();
  Hasher(Hasher&& other) noexcept;
  Hasher& operator=(Hasher&& other) noexcept;
  ~Hasher();

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  /// 32 lower-case hexadecimal digits of all bytes so far; more may follow.
  std::string hex() const;
  /// How many bytes there were so far.
  std::uint64_t size() const noexcept { return size_; }

private:
  struct State;
  std::unique_ptr<State> state_;
  std::uint64_t size_ = 0;
};

std::string hash_text(std::string_view text);

struct FileRecord {
  std::uint64_t size = 0;
  std::string xxh3_128;  // 32 lower-case hexadecimal digits

  friend bool operator==(const FileRecord&, const FileRecord&) = default;
};

/// Reads a regular file once, front to back, in pieces. Error(code).
FileRecord record_of_file(const std::filesystem::path& path, ExitCode code = ExitCode::cannot_load);

/// The hash of a regular file's size and of 64 pages that are spread over it: two files of one name
/// that differ as models do are told apart at once. Error(cannot_load).
std::string sample_of_file(const std::filesystem::path& path);

}  // namespace fg::store
