#include "tensor_list.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include <fg/base/utf8.hpp>

namespace fg::store {
namespace {

void check_tensor(const TensorInfo& tensor, const std::string& file, ExitCode code) {
  const std::string begin = file + ": tensor " + shown(tensor.name);
  if (tensor.name.size() > max_name_bytes)
    fail(code, begin + ": its name is longer than " + std::to_string(max_name_bytes) + " bytes");
  if (find_invalid_utf8(tensor.name)) fail(code, begin + ": its name is not valid UTF-8");
  if (tensor.shape.size() > max_dimensions)
    fail(code, begin + ": more than " + std::to_string(max_dimensions) + " dimensions");
  if (!checked_byte_count(tensor.dtype, tensor.shape))
    fail(code, begin + ": the size of its shape overflows");
}

}  // namespace

std::optional<std::uint64_t> checked_byte_count(Dtype dtype, std::span<const std::uint64_t> shape) {
  const std::optional<std::uint64_t> count = element_count(shape);
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  if (!count || *count > most / size_of(dtype)) return std::nullopt;
  return *count * size_of(dtype);
}

void check_tensors(std::span<const TensorInfo> tensors, const std::string& file, ExitCode code) {
  if (tensors.size() > max_tensors)
    fail(code, file + ": more than " + std::to_string(max_tensors) + " tensors");
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) {
    check_tensor(tensor, file, code);
    names.push_back(tensor.name);
  }
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end()) fail(code, file + ": tensor " + shown(*twice) + " appears twice");
}

std::string shown(std::string_view name) {
  constexpr std::size_t longest = 120;
  std::string text = "'";
  for (const char character : name.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(character);
    text += byte < 0x20 || byte == 0x7f ? '?' : character;
  }
  // Cutting may have halved a code point; messages stay valid UTF-8.
  while (find_invalid_utf8(text)) text.resize(*find_invalid_utf8(text));
  return text + (name.size() > longest ? "...'" : "'");
}

}  // namespace fg::store
