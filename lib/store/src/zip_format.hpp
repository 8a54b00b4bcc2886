#pragma once

#include <cstdint>

/// Signatures, sizes and marks of the zip format that reader and writer share.
namespace fg::store::zip {

inline constexpr std::uint32_t local_signature = 0x04034b50;
inline constexpr std::uint32_t central_signature = 0x02014b50;
inline constexpr std::uint32_t end_signature = 0x06054b50;
inline constexpr std::uint32_t end64_signature = 0x06064b50;
inline constexpr std::uint32_t locator_signature = 0x07064b50;

inline constexpr std::uint64_t local_size = 30;
inline constexpr std::uint64_t central_size = 46;
inline constexpr std::uint64_t end_size = 22;
inline constexpr std::uint64_t end64_size = 56;
inline constexpr std::uint64_t locator_size = 20;

inline constexpr std::uint16_t zip64_extra = 0x0001;
inline constexpr std::uint16_t flag_descriptor = 1 << 3;  // sizes follow the data
inline constexpr std::uint16_t flag_utf8 = 1 << 11;
inline constexpr std::uint32_t in_extra = 0xffffffff;  // the number stands in the zip64 extra
inline constexpr std::uint16_t in_end64 = 0xffff;      // the number stands in the zip64 end record

}  // namespace fg::store::zip
