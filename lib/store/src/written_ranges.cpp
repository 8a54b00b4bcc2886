#include "written_ranges.hpp"

#include <iterator>

#include <zlib.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

namespace fg::store {
namespace {

std::uint32_t crc_of(std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

void WrittenRanges::add(std::uint64_t offset, std::span<const std::byte> bytes) {
  FG_CHECK(offset <= size_ && bytes.size() <= size_ - offset);
  if (bytes.empty()) return;
  const std::uint32_t crc = checksum_ == Checksum::crc32 ? crc_of(bytes) : 0;
  const auto next = pieces_.lower_bound(offset);
  FG_CHECK(next == pieces_.end() || offset + bytes.size() <= next->first);
  FG_CHECK(next == pieces_.begin() ||
           std::prev(next)->first + std::prev(next)->second.size <= offset);
  const auto piece = pieces_.emplace_hint(next, offset, Piece{bytes.size(), crc});
  join_next(piece);
  if (piece != pieces_.begin()) join_next(std::prev(piece));
}

void WrittenRanges::join_next(Pieces::iterator piece) {
  const auto next = std::next(piece);
  if (next == pieces_.end() || piece->first + piece->second.size != next->first) return;
  static const bool crc_wrong = fault_planted("store.crc_not_combined");
  if (checksum_ == Checksum::crc32 && !crc_wrong)
    piece->second.crc = static_cast<std::uint32_t>(::crc32_combine(
        piece->second.crc, next->second.crc, static_cast<z_off_t>(next->second.size)));
  piece->second.size += next->second.size;
  pieces_.erase(next);
}

bool WrittenRanges::complete() const {
  return size_ == 0 || (pieces_.size() == 1 && pieces_.begin()->second.size == size_);
}

std::uint32_t WrittenRanges::crc32() const {
  FG_CHECK(complete() && checksum_ == Checksum::crc32);
  return size_ == 0 ? 0 : pieces_.begin()->second.crc;
}

}  // namespace fg::store
