#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

namespace fg::store {

/// Which bytes of one tensor were written, each exactly once, and the CRC-32 of the whole although
/// the pieces come in any order: neighbouring pieces are joined by zlib's crc32_combine.
class WrittenRanges {
public:
  enum class Checksum { none, crc32 };

  WrittenRanges(std::uint64_t size, Checksum checksum) : size_(size), checksum_(checksum) {}

  /// Error(bug) where the piece leaves the tensor or overlaps an earlier one.
  void add(std::uint64_t offset, std::span<const std::byte> bytes);
  bool complete() const;
  /// Of the whole tensor. Only once complete, and only with Checksum::crc32.
  std::uint32_t crc32() const;

private:
  struct Piece {
    std::uint64_t size;
    std::uint32_t crc;
  };
  using Pieces = std::map<std::uint64_t, Piece>;
  void join_next(Pieces::iterator piece);

  std::uint64_t size_;
  Checksum checksum_;
  Pieces pieces_;  // by offset; neighbours that touch are joined
};

}  // namespace fg::store
