#include "compare.hpp"

#include <algorithm>
#include <vector>

#include <fg/session/signals.hpp>

namespace fg::convert {
bool tensors_are_equal(store::ModelWeights& weights, std::string_view one, std::string_view other) {
  const std::size_t first = *weights.find(one);
  const std::size_t second = *weights.find(other);
  const auto& a = weights.tensors()[first];
  const auto& b = weights.tensors()[second];
  if (a.dtype != b.dtype || a.shape != b.shape) return false;

  constexpr std::uint64_t piece_bytes = 8 << 20;
  const std::uint64_t total = store::byte_count(a);
  std::vector<std::byte> left, right;
  for (std::uint64_t offset = 0; offset < total; offset += piece_bytes) {
    session::check_for_stop();
    left.resize(std::min(piece_bytes, total - offset));
    right.resize(left.size());
    weights.read(first, offset, left);
    weights.read(second, offset, right);
    if (left != right) return false;
  }
  return true;
}

}  // namespace fg::convert
