#include "compare.hpp"

#include <algorithm>
#include <vector>

#include <fg/session/signals.hpp>

namespace fg::model_folder {

bool tensors_are_equal(Source& source, std::string_view one, std::string_view other) {
  constexpr auto use = store::TensorUse::weights;
  const std::size_t first = *source.find(use, one);
  const std::size_t second = *source.find(use, other);
  const auto& a = source.tensors(use)[first];
  const auto& b = source.tensors(use)[second];
  if (a.dtype != b.dtype || a.shape != b.shape) return false;

  constexpr std::uint64_t piece_bytes = 8 << 20;
  const std::uint64_t total = store::byte_count(a);
  std::vector<std::byte> left, right;
  for (std::uint64_t offset = 0; offset < total; offset += piece_bytes) {
    session::check_for_stop();
    left.resize(std::min(piece_bytes, total - offset));
    right.resize(left.size());
    source.read(use, first, offset, left);
    source.read(use, second, offset, right);
    if (left != right) return false;
  }
  return true;
}

}  // namespace fg::model_folder
