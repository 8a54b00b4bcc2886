#pragma once

#include <cstddef>

namespace fg::text {

/// Bytes [begin, end) of a UTF-8 text.
struct ByteSpan {
  std::size_t begin = 0;
  std::size_t end = 0;

  friend bool operator==(const ByteSpan&, const ByteSpan&) = default;
};

}  // namespace fg::text
