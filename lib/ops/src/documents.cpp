#include "fg/ops/documents.hpp"

#include <algorithm>

#include <fg/base/error.hpp>

namespace fg::ops {

Documents::Documents(std::span<const std::int64_t> lengths) {
  starts_.reserve(lengths.size() + 1);
  for (const std::int64_t length : lengths) {
    FG_CHECK(length >= 0);
    starts_.push_back(starts_.back() + length);
    longest_ = std::max(longest_, length);
  }
}

}  // namespace fg::ops
