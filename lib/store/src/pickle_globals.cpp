#include <array>

#include "pickle_values.hpp"

namespace fg::store {
namespace {

struct Name {
  std::string_view module;
  std::string_view name;
  PickleValue value;
};

constexpr PickleValue storage_of(Dtype dtype) {
  return {PickleKind::storage_type, static_cast<std::int64_t>(dtype)};
}

constexpr std::array names = {
    Name{"collections", "OrderedDict", {PickleKind::ordered_dict_class, 0}},
    Name{"torch._utils", "_rebuild_tensor_v2", {PickleKind::rebuild_tensor, 0}},
    Name{"torch._utils", "_rebuild_parameter", {PickleKind::rebuild_parameter, 0}},
    Name{"torch", "Size", {PickleKind::size_class, 0}},
    Name{"torch", "BoolStorage", storage_of(Dtype::boolean)},
    Name{"torch", "ByteStorage", storage_of(Dtype::uint8)},
    Name{"torch", "CharStorage", storage_of(Dtype::int8)},
    Name{"torch", "ShortStorage", storage_of(Dtype::int16)},
    Name{"torch", "IntStorage", storage_of(Dtype::int32)},
    Name{"torch", "LongStorage", storage_of(Dtype::int64)},
    Name{"torch", "HalfStorage", storage_of(Dtype::float16)},
    Name{"torch", "BFloat16Storage", storage_of(Dtype::bfloat16)},
    Name{"torch", "FloatStorage", storage_of(Dtype::float32)},
    Name{"torch", "DoubleStorage", storage_of(Dtype::float64)},
};

}  // namespace

std::optional<PickleValue> find_pickle_global(std::string_view module, std::string_view name) {
  for (const Name& known : names)
    if (known.module == module && known.name == name) return known.value;
  if (module == "torch" && parse_dtype(name)) return PickleValue{PickleKind::dtype, 0};
  return std::nullopt;
}

}  // namespace fg::store
