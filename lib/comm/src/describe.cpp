#include "describe.hpp"

#include <fg/base/units.hpp>

namespace fg::comm {
namespace {

std::string name_of(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    case at::kLong:
      return "int64";
    case at::kInt:
      return "int32";
    default:
      return c10::toString(type);
  }
}

}  // namespace

std::string describe(at::ScalarType type, std::span<const std::int64_t> sizes) {
  std::string text = name_of(type) + " [";
  for (std::size_t d = 0; d < sizes.size(); ++d)
    text += (d == 0 ? "" : ", ") + std::to_string(sizes[d]);
  return text + "]";
}

std::string describe(const Operation& operation) {
  std::string text = operation.name;
  if (!operation.tensor.empty())
    text += " of " + operation.tensor + " (" + format_bytes(operation.bytes) + ")";
  if (operation.tag) text += ", tag " + std::to_string(*operation.tag);
  return text;
}

}  // namespace fg::comm
