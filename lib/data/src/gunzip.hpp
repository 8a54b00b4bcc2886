#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace fg::data {

/// Unpacks a gzip file of one or several members, each checked by its CRC. Error(data), `name`
/// first: damaged, cut off, something behind it, or more than `most` bytes.
std::string gunzip(std::span<const std::byte> packed, const std::string& name, std::uint64_t most);

}  // namespace fg::data
